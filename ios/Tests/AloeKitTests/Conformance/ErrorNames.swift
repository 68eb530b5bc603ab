import AloeKit

/// The errors by the names that the cases use.
enum ErrorNames {
    static let all: [AloeError] = [
        .modelMissing(what: "model", path: "p"), .modelCorrupt(path: "p", reason: "r"),
        .modelIncompatible(path: "p", reason: "r"), .adapterMismatch(path: "p", reason: "r"),
        .notEnoughMemory(requiredMib: 2, availableMib: 1), .contextExceeded(requiredTokens: 2, availableTokens: 1),
        .busy, .cancelled, .closed, .backgrounded, .storageFull(path: "p"), .storageLocked(path: "p"),
        .storageCorrupt(path: "p", reason: "r"), .storageDenied(path: "p", reason: "r"), .wrongKey(path: "p"),
        .schemaTooNew(found: 2, supported: 1), .importInvalid(line: 1, reason: "r"),
        .embedderChanged(stored: "a", given: "b"), .invalidInput(what: "script", reason: "r"),
        .notFound(what: "memory", id: 1), .callbackFailed(reason: "r"), .internal(reason: "r"),
    ]

    static func make(_ name: String) throws -> AloeError {
        guard let error = all.first(where: { self.name(of: $0) == name }) else {
            throw Failure("the cases name an error that is none: \(name)")
        }
        return error
    }

    /// `ModelMissing` for `.modelMissing`.
    static func name(of error: AloeError) -> String {
        let name = Mirror(reflecting: error).children.first?.label ?? String(describing: error)
        return name.prefix(1).uppercased() + name.dropFirst()
    }

    /// A field of an error by its name in the cases, `available_mib` for `availableMib`.
    static func field(_ name: String, of error: AloeError) -> Int64? {
        let words = name.split(separator: "_").map(String.init)
        let camel = words.dropFirst().reduce(words[0]) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
        let values = Mirror(reflecting: error).children.first.map { Mirror(reflecting: $0.value).children }
        let value = values?.first { $0.label == camel }?.value
        return (value as? Int64) ?? (value as? UInt64).map(Int64.init)
    }
}
