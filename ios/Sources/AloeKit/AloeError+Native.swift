// Both ways are exhaustive: an error that is added in Rust does not compile here until it has a case.

extension AloeError {
    package init(_ native: NativeError) {
        self = switch native {
        case let .ModelMissing(what, path): .modelMissing(what: what, path: path)
        case let .ModelCorrupt(path, reason): .modelCorrupt(path: path, reason: reason)
        case let .ModelIncompatible(path, reason): .modelIncompatible(path: path, reason: reason)
        case let .AdapterMismatch(path, reason): .adapterMismatch(path: path, reason: reason)
        case let .NotEnoughMemory(required, available): .notEnoughMemory(requiredMib: required, availableMib: available)
        case let .ContextExceeded(required, available):
            .contextExceeded(requiredTokens: required, availableTokens: available)
        case .Busy: .busy
        case .Cancelled: .cancelled
        case .Closed: .closed
        case .Backgrounded: .backgrounded
        case let .StorageFull(path): .storageFull(path: path)
        case let .StorageLocked(path): .storageLocked(path: path)
        case let .StorageCorrupt(path, reason): .storageCorrupt(path: path, reason: reason)
        case let .StorageDenied(path, reason): .storageDenied(path: path, reason: reason)
        case let .WrongKey(path): .wrongKey(path: path)
        case let .SchemaTooNew(found, supported): .schemaTooNew(found: found, supported: supported)
        case let .ImportInvalid(line, reason): .importInvalid(line: line, reason: reason)
        case let .EmbedderChanged(stored, given): .embedderChanged(stored: stored, given: given)
        case let .InvalidInput(what, reason): .invalidInput(what: what, reason: reason)
        case let .NotFound(what, id): .notFound(what: what, id: id)
        case let .CallbackFailed(reason): .callbackFailed(reason: reason)
        case let .Internal(reason): .internal(reason: reason)
        }
    }

    /// The native error behind it: how a script raises one.
    package var native: NativeError {
        switch self {
        case let .modelMissing(what, path): .ModelMissing(what: what, path: path)
        case let .modelCorrupt(path, reason): .ModelCorrupt(path: path, reason: reason)
        case let .modelIncompatible(path, reason): .ModelIncompatible(path: path, reason: reason)
        case let .adapterMismatch(path, reason): .AdapterMismatch(path: path, reason: reason)
        case let .notEnoughMemory(required, available): .NotEnoughMemory(requiredMib: required, availableMib: available)
        case let .contextExceeded(required, available):
            .ContextExceeded(requiredTokens: required, availableTokens: available)
        case .busy: .Busy
        case .cancelled: .Cancelled
        case .closed: .Closed
        case .backgrounded: .Backgrounded
        case let .storageFull(path): .StorageFull(path: path)
        case let .storageLocked(path): .StorageLocked(path: path)
        case let .storageCorrupt(path, reason): .StorageCorrupt(path: path, reason: reason)
        case let .storageDenied(path, reason): .StorageDenied(path: path, reason: reason)
        case let .wrongKey(path): .WrongKey(path: path)
        case let .schemaTooNew(found, supported): .SchemaTooNew(found: found, supported: supported)
        case let .importInvalid(line, reason): .ImportInvalid(line: line, reason: reason)
        case let .embedderChanged(stored, given): .EmbedderChanged(stored: stored, given: given)
        case let .invalidInput(what, reason): .InvalidInput(what: what, reason: reason)
        case let .notFound(what, id): .NotFound(what: what, id: id)
        case let .callbackFailed(reason): .CallbackFailed(reason: reason)
        case let .internal(reason): .Internal(reason: reason)
        }
    }
}
