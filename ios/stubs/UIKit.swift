// The part of UIKit that AloeKit uses, as Apple documents it, so that the sources for iOS can be type-checked without
// it.
@_exported import Foundation

@MainActor
open class UIApplication {
    public nonisolated static let didEnterBackgroundNotification = Notification.Name("didEnterBackground")
    public nonisolated static let willEnterForegroundNotification = Notification.Name("willEnterForeground")
    public nonisolated static let didReceiveMemoryWarningNotification = Notification.Name("didReceiveMemoryWarning")
}

// Of Foundation, what exists on Apple's systems only.
extension URL {
    public func startAccessingSecurityScopedResource() -> Bool { true }
    public func stopAccessingSecurityScopedResource() {}
}
