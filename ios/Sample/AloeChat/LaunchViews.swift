import SwiftUI
import UniformTypeIdentifiers

/// No model is there yet: the user picks a GGUF file.
struct ChooseModelView: View {
    let launch: LaunchModel
    @State private var picks = false

    var body: some View {
        ContentUnavailableView {
            Label("No model yet", systemImage: "shippingbox")
        } description: {
            Text("Choose a GGUF file, such as Llama 3.2 1B in Q4_0.")
        } actions: {
            Button("Choose a file") { picks = true }
        }
        .fileImporter(isPresented: $picks, allowedContentTypes: [UTType(filenameExtension: "gguf") ?? .data]) {
            if case let .success(file) = $0 { Task { await launch.choose(file) } }
        }
    }
}

/// The last load of this model ended the app.
struct TryAgainView: View {
    let launch: LaunchModel
    let name: String

    var body: some View {
        ContentUnavailableView {
            Label("\(name) may be too large", systemImage: "exclamationmark.triangle")
        } description: {
            Text("The app was ended while it loaded this model.")
        } actions: {
            Button("Try again") { Task { await launch.tryAgain() } }
            Button("Choose another") { launch.forgetModel() }
        }
    }
}

/// The model could not be opened.
struct FailedView: View {
    let launch: LaunchModel
    let reason: String

    var body: some View {
        ContentUnavailableView {
            Label("It could not be opened", systemImage: "xmark.octagon")
        } description: {
            Text(reason)
        } actions: {
            Button("Choose another model") { launch.forgetModel() }
        }
    }
}
