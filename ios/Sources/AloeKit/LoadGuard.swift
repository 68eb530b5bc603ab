import Foundation

/// Keeps an app from dying at every start over a model that is too large for the phone.
///
/// The system ends an app that takes too much memory without a word. So a marker is written before a model is loaded
/// and deleted after it, loaded or refused: a marker that is still there names a model that the process did not
/// survive.
///
/// Loading that was cancelled goes on unseen and can still end the process, so its marker stays until loading is over.
public struct LoadGuard: Sendable {
    /// How many loads go on under each marker.
    private static let loading = Locked<[URL: Int]>([:])

    private let marker: URL

    /// Keeps its marker in this file, which must outlive the process: no temporary or cache folder.
    public init(marker: URL) {
        self.marker = marker
    }

    /// The model whose last load the process did not survive.
    public func unfinished() async -> String? {
        Self.loading.withLock { left($0) }
    }

    /// The user was asked and wants to try again.
    public func forgive() async {
        clear()
    }

    /// `settled` returns when loading is over, also that of a call that was cancelled.
    func around<T>(
        _ model: String, settled: @escaping @Sendable () async -> Void, _ load: () async throws -> T
    ) async throws -> T {
        try begin(model)
        do {
            let loaded = try await load()
            end()
            return loaded
        } catch is CancellationError {
            Task.detached {
                await settled()
                end()
            }
            throw CancellationError()
        } catch {
            end()
            throw error
        }
    }

    private func begin(_ model: String) throws {
        try Self.loading.withLock { loading in
            if left(loading) == model { throw UnfinishedLoadError(model: model) }
            try mark(model)
            loading[marker, default: 0] += 1
        }
    }

    private func end() {
        Self.loading.withLock { loading in
            let others = loading[marker, default: 1] - 1
            loading[marker] = others > 0 ? others : nil
            // The marker is that of the loads which still go on.
            if others == 0 { clear() }
        }
    }

    /// A marker of this process's own loads says nothing: it lives.
    private func left(_ loading: [URL: Int]) -> String? {
        guard loading[marker] == nil else { return nil }
        return (try? Data(contentsOf: marker)).map { String(decoding: $0, as: UTF8.self) }
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
