import AloeKit
import Foundation
import Observation

/// From no model to an open assistant.
@MainActor @Observable
final class LaunchModel {
    enum Stage {
        case needsModel
        case loading(String)
        /// The app did not survive the last load of this model.
        case asks(String)
        case failed(String)
        case open(Assistant)
    }

    private(set) var stage = Stage.needsModel
    @ObservationIgnored private var lifecycle: AssistantLifecycle?
    private let folders: AppFolders?

    init() {
        folders = try? AppFolders()
        if let model { open(model) }
    }

    /// The model that was chosen, if one was.
    private var model: URL? {
        guard let folders else { return nil }
        let files = try? FileManager.default.contentsOfDirectory(at: folders.root, includingPropertiesForKeys: nil)
        return files?.first { $0.pathExtension == "gguf" }
    }

    /// Copies a file that the user picked, then opens it.
    func choose(_ picked: URL) async {
        guard let folders else { return fail("the app's folder cannot be used") }
        stage = .loading(picked.lastPathComponent)
        let target = folders.root.appendingPathComponent(picked.lastPathComponent)
        do {
            try await Self.copy(picked, to: target)
            open(target)
        } catch {
            fail(error.localizedDescription)
        }
    }

    /// The user was told that the last load ended the app, and wants to try again.
    func tryAgain() async {
        await folders?.guarding.forgive()
        if let model { open(model) }
    }

    func forgetModel() {
        if let model { try? FileManager.default.removeItem(at: model) }
        stage = .needsModel
    }

    private func open(_ model: URL) {
        guard let folders else { return fail("the app's folder cannot be used") }
        stage = .loading(model.lastPathComponent)
        Task {
            do {
                let engine = EngineParams(model: model.path, nCtx: 4096, nGpuLayers: 99)
                let key = try await Task.detached { try KeychainKey.loadOrCreate() }.value
                let params = folders.params(engine, key: key)
                let assistant = try await Assistant.open(params, guard: folders.guarding)
                lifecycle = AssistantLifecycle(assistant)
                stage = .open(assistant)
            } catch is UnfinishedLoadError {
                stage = .asks(model.lastPathComponent)
            } catch let AloeError.notEnoughMemory(required, available) {
                fail("It needs about \(required) MiB, and \(available) MiB are free. Choose a smaller model.")
            } catch {
                fail(error.localizedDescription)
            }
        }
    }

    private func fail(_ reason: String) {
        stage = .failed(reason)
    }

    /// Off the main actor: models are gigabytes.
    private nonisolated static func copy(_ picked: URL, to target: URL) async throws {
        let isAllowed = picked.startAccessingSecurityScopedResource()
        defer { if isAllowed { picked.stopAccessingSecurityScopedResource() } }
        try? FileManager.default.removeItem(at: target)
        try FileManager.default.copyItem(at: picked, to: target)
    }
}
