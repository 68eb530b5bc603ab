// Records need no Swift of their own: the generated structs are this package's API as they are. Of the rest of that
// module, whatever is called Native is what this package wraps, and nothing for an app.
@_exported import AloeKitFFI

/// A native call whose errors are those of this package.
package func translated<T>(_ call: () async throws -> T) async throws -> T {
    do {
        return try await call()
    } catch let error as NativeError {
        throw AloeError(error)
    }
}

/// ``translated(_:)`` for a call that does not wait.
func translatedNow<T>(_ call: () throws -> T) throws -> T {
    do {
        return try call()
    } catch let error as NativeError {
        throw AloeError(error)
    }
}

/// Hands a token to a native call and cancels it with the task: Swift never drops the future of a native call, so a
/// cancelled task alone would end nothing.
func cancellable<T: Sendable>(
    _ token: NativeCancelToken = NativeCancelToken(), _ call: (NativeCancelToken) async throws -> T
) async throws -> T {
    try await withTaskCancellationHandler {
        do {
            return try await translated { try await call(token) }
        } catch AloeError.cancelled where Task.isCancelled {
            throw CancellationError()
        }
    } onCancel: {
        token.cancel()
    }
}
