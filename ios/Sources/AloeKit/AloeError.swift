import Foundation

/// Why a call failed. Each case is something that an app can act on; `reason` is for logs and holds nothing that a user
/// said. A cancelled task is no error of this kind: its calls end with `CancellationError`.
public enum AloeError: Error, Sendable, Equatable {
    /// A file is not there: download it.
    case modelMissing(what: String, path: String)
    /// A file is damaged: download it again.
    case modelCorrupt(path: String, reason: String)
    /// The file is sound, and this version cannot run it: offer another model or an update.
    case modelIncompatible(path: String, reason: String)
    /// The adapter was made for another base: fetch the one for this base.
    case adapterMismatch(path: String, reason: String)
    /// Nothing was loaded: choose a smaller model or a shorter context.
    case notEnoughMemory(requiredMib: UInt64, availableMib: UInt64)
    /// Shorten the message.
    case contextExceeded(requiredTokens: UInt64, availableTokens: UInt64)
    /// The session is still answering: wait or cancel.
    case busy
    /// The reply was ended from elsewhere.
    case cancelled
    /// The object was closed: open it again.
    case closed
    /// The GPU may not be used now: try again in the foreground.
    case backgrounded
    /// Ask the user to free space.
    case storageFull(path: String)
    /// Another process has the store open.
    case storageLocked(path: String)
    /// Open with `OnDamage.quarantine`, or restore a copy. Nothing was changed.
    case storageCorrupt(path: String, reason: String)
    /// A file may not be read or written: check where the app keeps its data, and whether the device is unlocked.
    case storageDenied(path: String, reason: String)
    /// The key does not open the store.
    case wrongKey(path: String)
    /// A newer version of the app wrote this: ask for an update.
    case schemaTooNew(found: Int64, supported: Int64)
    /// The file to import is not one; nothing of it was imported.
    case importInvalid(line: UInt64?, reason: String)
    /// Vectors were made by another embedder: call ``Persona/reembed()``.
    case embedderChanged(stored: String, given: String)
    /// A mistake of the app's code: an argument is out of its range.
    case invalidInput(what: String, reason: String)
    /// There is nothing with this id, or not any more.
    case notFound(what: String, id: Int64)
    /// A listener of the app threw.
    case callbackFailed(reason: String)
    /// A defect of the library: report it.
    case `internal`(reason: String)
}

extension AloeError: LocalizedError {
    public var errorDescription: String? {
        switch self {
        case let .modelMissing(what, path): "The \(what) is missing: \(path)"
        case let .modelCorrupt(path, reason), let .storageCorrupt(path, reason): "\(path) is damaged: \(reason)"
        case let .modelIncompatible(path, reason): "\(path) cannot be run here: \(reason)"
        case let .adapterMismatch(path, reason): "The adapter \(path) does not fit: \(reason)"
        case let .notEnoughMemory(required, available):
            "About \(required) MiB are needed, \(available) MiB are available."
        case let .contextExceeded(required, available): "\(required) tokens are needed, the context holds \(available)."
        case .busy: "The session is still answering."
        case .cancelled: "Cancelled."
        case .closed: "Already closed."
        case .backgrounded: "In the background, where the GPU may not be used."
        case let .storageFull(path): "No room to write \(path)"
        case let .storageLocked(path): "\(path) is held by another process."
        case let .storageDenied(path, reason): "\(path) cannot be used: \(reason)"
        case let .wrongKey(path): "The key does not open \(path)"
        case let .schemaTooNew(found, supported): "Written by a newer version (\(found), known up to \(supported))."
        case let .importInvalid(_, reason): "It cannot be imported: \(reason)"
        case let .embedderChanged(stored, given): "Memory was embedded by \(stored), the embedder is \(given)."
        case let .invalidInput(what, reason): "\(what): \(reason)"
        case let .notFound(what, id): "There is no \(what) with id \(id)."
        case let .callbackFailed(reason): "The app's listener failed: \(reason)"
        case let .internal(reason): "Internal error: \(reason)"
        }
    }
}
