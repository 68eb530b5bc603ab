import Foundation

/// Keeps an app from dying at every start over a model that is too large for the phone.
///
/// The system ends an app that takes too much memory without a word. So a marker is written before a model is loaded
/// and deleted after it, loaded or refused: a marker that is still there names a model that the process did not
/// survive.
public struct LoadGuard: Sendable {
    private let marker: URL

    /// Keeps its marker in this file, which must outlive the process: no temporary or cache folder.
    public init(marker: URL) {
        self.marker = marker
    }

    /// The model whose last load the process did not survive.
    public func unfinished() async -> String? {
        (try? Data(contentsOf: marker)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The user was asked and wants to try again.
    public func forgive() async {
        clear()
    }

    func around<T>(_ model: String, _ load: () async throws -> T) async throws -> T {
        if await unfinished() == model { throw UnfinishedLoadError(model: model) }
        try mark(model)
        defer { clear() }
        return try await load()
    }

    private func mark(_ model: String) throws {
        do {
            let folder = marker.deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Data(model.utf8).write(to: marker)
        } catch {
            throw AloeError.storageDenied(path: marker.path, reason: error.localizedDescription)
        }
    }

    private func clear() {
        try? FileManager.default.removeItem(at: marker)
    }
}

/// The process did not survive the last load of this model: ask the user, then ``LoadGuard/forgive()``, or choose
/// another.
public struct UnfinishedLoadError: Error, Sendable, Equatable {
    /// Path of the model.
    public let model: String

    public init(model: String) {
        self.model = model
    }
}
