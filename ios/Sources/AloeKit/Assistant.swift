import Foundation

/// A loaded model with a memory of its user.
///
/// Every call may be made from the main actor: what takes long is `async` and runs on native threads.
public final class Assistant: Sendable {
    private let native: NativeAssistant
    let activity = Activity()

    /// What is known of the user, and their rights over it.
    public let persona: Persona

    private init(_ native: NativeAssistant) {
        self.native = native
        persona = Persona(native.persona())
    }

    /// One that answers from a script, for `AloeKitTesting`.
    package static func openScripted(_ params: NativeScriptParams, key: StoreKey?) async throws -> Assistant {
        Assistant(try await translated { try await nativeOpenScriptedAssistant(params: params, key: key) })
    }

    /// Opens the memory and loads the model. Cancelling the task ends the call at once; what was loaded is freed.
    ///
    /// With a guard, a model that the process did not survive loading is not loaded again without asking: the call ends
    /// with ``UnfinishedLoadError``.
    public static func open(_ params: AssistantParams, guard loads: LoadGuard? = nil) async throws -> Assistant {
        var params = params
        params.engine = params.engine.withinThisProcess()
        let token = NativeCancelToken()
        let load = { [params] in
            try await cancellable(token) { try await nativeOpenAssistant(params: params, cancel: $0) }
        }
        guard let loads else { return Assistant(try await load()) }
        return Assistant(try await loads.around(params.engine.model, settled: token.settled, load))
    }

    /// Encrypts a plain memory that is closed, whole or not at all: for an app that has users from before it had keys.
    public static func encryptMemory(_ memory: URL, key: StoreKey) async throws {
        try await translated { try await nativeEncryptStore(path: memory.path, key: key) }
    }

    /// What loading a model would take, read from its header alone.
    public static func estimateMemory(_ params: EngineParams) async throws -> MemoryEstimate {
        try await translated { try await nativeEstimateMemory(params: params.withinThisProcess()) }
    }

    /// What it is doing now.
    public var state: EngineState { activity.state }

    /// What it is doing, now and after every change, to the end with ``EngineState/closed``.
    public var states: AsyncStream<EngineState> { activity.states() }

    /// What is known of the loaded model.
    public var model: ModelInfo {
        get throws { try translatedNow { try native.model() } }
    }

    /// Starts or resumes a conversation; the newest one, if nothing else is said.
    public func session(_ params: SessionParams = SessionParams()) async throws -> Session {
        Session(try await translated { try await native.session(params: params) }, activity)
    }

    /// Waits until what was said so far has been read for facts: for showing them right after a reply. Not needed before
    /// the next message, which comes after it anyway.
    public func settle() async throws {
        try await translated { try await native.settle() }
    }

    /// Encrypts the memory anew under another key. A process that dies in between leaves it under one of the two keys,
    /// whole: keep both until this returns.
    public func rekey(_ key: StoreKey) async throws {
        try await translated { try await native.rekey(key: key) }
    }

    /// Frees the KV cache of conversations that are not being answered. Their next message takes longer to begin.
    public func releaseCaches() {
        native.releaseCaches()
    }

    /// The app leaves the foreground: with a GPU, replies end with ``AloeError/backgrounded`` before this returns.
    public func enterBackground() async throws {
        try await translated { try await native.enterBackground() }
        activity.setBackgrounded(true)
    }

    /// The app is in the foreground again.
    public func enterForeground() throws {
        try translatedNow { try native.enterForeground() }
        activity.setBackgrounded(false)
    }

    /// Closes from now on; snapshots are saved and the model is freed on a native thread. A second time does nothing.
    public func close() {
        native.beginClose()
        activity.closed()
    }

    /// ``close()``, and waits until everything is freed.
    public func closeAndWait() async {
        activity.closed()
        // It throws nothing today, and whoever closes has nothing left to do about it.
        try? await native.finishClose()
    }
}
