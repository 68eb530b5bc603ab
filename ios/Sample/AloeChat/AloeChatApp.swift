import AloeKit
import SwiftUI

@main
struct AloeChatApp: App {
    @State private var launch = LaunchModel()

    var body: some Scene {
        WindowGroup {
            switch launch.stage {
            case .needsModel: ChooseModelView(launch: launch)
            case let .loading(name): ProgressView("Loading \(name)…")
            case let .asks(name): TryAgainView(launch: launch, name: name)
            case let .failed(reason): FailedView(launch: launch, reason: reason)
            case let .open(assistant): ChatView(chat: ChatModel(assistant))
            }
        }
    }
}
