#if canImport(UIKit) && !os(watchOS)
    import Foundation
    import UIKit

    /// Tells an assistant what the system tells the app: short of memory, it frees KV caches; out of sight, it says so
    /// to the engine, because iOS ends an app that uses Metal in the background. Listens for as long as it lives.
    @MainActor
    public final class AssistantLifecycle {
        private let observers: [Observer]

        public init(_ assistant: Assistant) {
            observers = [
                Observer(UIApplication.didEnterBackgroundNotification) { leaveGpu(assistant) },
                Observer(UIApplication.willEnterForegroundNotification) { try? assistant.enterForeground() },
                Observer(UIApplication.didReceiveMemoryWarningNotification) { assistant.releaseCaches() },
            ]
        }
    }

    /// How long the main thread waits for the GPU to stop; iOS allows some five seconds.
    private let longestWait = DispatchTimeInterval.seconds(2)

    /// Waits until the GPU is left: when the notification's handlers have returned, it may not be used any more. This
    /// blocks the main thread for the batch under way, which no user sees: the app is out of sight.
    private func leaveGpu(_ assistant: Assistant) {
        let left = DispatchSemaphore(value: 0)
        Task.detached(priority: .userInitiated) {
            // Closed already: nothing is left that would have to know.
            try? await assistant.enterBackground()
            left.signal()
        }
        _ = left.wait(timeout: .now() + longestWait)
    }

    /// Acts on a notification, on the main thread, for as long as it lives.
    private final class Observer: @unchecked Sendable { // the token is written once and never used but to stop
        private let token: any NSObjectProtocol

        init(_ name: Notification.Name, _ act: @escaping @Sendable () -> Void) {
            token = NotificationCenter.default.addObserver(forName: name, object: nil, queue: .main) { _ in act() }
        }

        deinit {
            NotificationCenter.default.removeObserver(token)
        }
    }
#endif
