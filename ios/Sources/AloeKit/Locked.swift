import Foundation

/// A value that threads share, one at a time. `Mutex` would need iOS 18.
final class Locked<Value>: @unchecked Sendable { // the lock is held whenever the value is touched
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    func withLock<T>(_ use: (inout Value) throws -> T) rethrows -> T {
        lock.lock()
        defer { lock.unlock() }
        return try use(&value)
    }
}
