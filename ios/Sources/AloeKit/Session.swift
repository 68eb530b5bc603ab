/// A conversation that can be continued. One reply at a time; several sessions can talk at once.
public final class Session: Sendable {
    private let native: NativeSession
    private let activity: Activity
    /// The end of the last reply that its reader left: every call waits for it.
    private let leaving = Locked<Task<Void, Never>?>(nil)

    init(_ native: NativeSession, _ activity: Activity) {
        self.native = native
        self.activity = activity
    }

    /// The conversation that is continued.
    public var conversation: Int64 { native.conversation() }

    /// The reply to a message that tells apart what was typed and what was pasted. Cold: iterating sends the message.
    ///
    /// Cancelling the task that iterates ends the native work within a token and throws `CancellationError` when the
    /// reply is recorded as far as it got. Leaving the loop early ends it too; the next message waits for that. The best of
    /// several comes as one piece, after the choice.
    public func send(_ message: UserMessage) -> ReplyEvents {
        ReplyEvents(session: self, message: message)
    }

    /// The reply to what the user typed.
    public func send(_ text: String) -> ReplyEvents {
        send(UserMessage(text: text))
    }

    /// The reply to a message, for callers who would rather be called: `listener` runs on a native thread.
    ///
    /// One that throws ends the reply with ``AloeError/callbackFailed(reason:)``. Cancelling the task ends it within a
    /// token and throws `CancellationError` when it is recorded as far as it got.
    public func send(
        _ message: UserMessage, to listener: @escaping @Sendable (String) throws -> Void
    ) async throws -> Turn {
        await settled()
        try Task.checkCancellation()
        activity.replyBegan()
        defer { activity.replyEnded() }
        let turn = try await cancellable { token in
            try await native.sendTo(message: message, listener: Listener(listener), cancel: token)
        }
        try Task.checkCancellation()
        return turn
    }

    /// ``send(_:to:)-(UserMessage,_)`` for what the user typed.
    public func send(_ text: String, to listener: @escaping @Sendable (String) throws -> Void) async throws -> Turn {
        try await send(UserMessage(text: text), to: listener)
    }

    /// Whether what the user says from now on is remembered beyond this conversation.
    public func setRemember(_ remember: Bool) async throws {
        try await calling { try await native.setRemember(remember: remember) }
    }

    /// Whether memories are recalled for what the user says from now on.
    public func setRecall(_ recall: Bool) async throws {
        try await calling { try await native.setRecall(recall: recall) }
    }

    /// Draws the tokens of the next replies this way.
    public func setSampling(_ sampling: SamplingParams) async throws {
        try await calling { try await native.setSampling(sampling: sampling) }
    }

    /// Draws this many replies (1 to 8) to each message from now on, and gives the one that the adapters lean towards most.
    public func setBestOf(_ bestOf: Int) async throws {
        try await calling { try await native.setBestOf(bestOf: UInt32(clamping: bestOf)) }
    }

    /// Keeps what the user thinks of a reply, the newest without a turn, in place of what they thought before; returns the
    /// number of its turn. The conversation goes on with the reply as it was given.
    ///
    /// Ends with ``AloeError/busy`` while the reply is under way, and with ``AloeError/notFound(what:id:)`` for a turn of
    /// another conversation. ``Persona/unrate(turn:)`` takes it back.
    @discardableResult
    public func rate(_ rating: Rating, turn: Int64? = nil) async throws -> Int64 {
        try await calling { try await native.rate(turn: turn, rating: rating) }
    }

    /// How much likelier the adapters make a reply, the newest without a turn, than the bare model does: two prefills of
    /// prompt and reply. With `measureAlignment` in `SessionParams` every `Turn` carries it.
    public func alignment(turn: Int64? = nil) async throws -> ReplyAlignment {
        await settled()
        return try await cancellable { try await native.alignment(turn: turn, cancel: $0) }
    }

    /// Uses these adapters from the next reply on; none clears them.
    public func setAdapters(_ adapters: [Adapter]) async throws {
        try await calling { try await native.setAdapters(adapters: adapters) }
    }

    /// Saves the KV snapshot now, so that the next launch needs no prefill.
    public func saveSnapshot() async throws {
        try await calling { try await native.saveSnapshot() }
    }

    /// Closes from now on; the snapshot is saved on a native thread. A second time does nothing.
    public func close() {
        native.beginClose()
    }

    /// ``close()``, and waits until it is done.
    public func closeAndWait() async {
        // A snapshot that cannot be saved only costs the next launch its prefill.
        try? await native.finishClose()
    }

    /// Sends a message; sent as a whole, so that no stored message is without a reader of its reply.
    func begin(_ message: UserMessage) async throws -> LiveReply {
        await settled()
        try Task.checkCancellation()
        activity.replyBegan()
        do {
            return LiveReply(try await translated { try await native.send(message: message) }, self)
        } catch {
            activity.replyEnded()
            throw error
        }
    }

    /// The reply is over and recorded.
    func ended() {
        activity.replyEnded()
    }

    /// Ends a reply that nobody reads any more.
    func leave(_ reply: NativeReply) {
        reply.cancel()
        let end = Task.detached { [self] in
            _ = try? await reply.finish()
            ended()
        }
        leaving.withLock { $0 = end }
    }

    /// Waits for the end of a reply that its reader left, which would keep the session busy.
    private func settled() async {
        await leaving.withLock { $0 }?.value
    }

    private func calling<T>(_ call: () async throws -> T) async throws -> T {
        await settled()
        return try await translated(call)
    }
}

/// Hands text to the app.
private final class Listener: ReplyListener {
    private let listener: @Sendable (String) throws -> Void

    init(_ listener: @escaping @Sendable (String) throws -> Void) {
        self.listener = listener
    }

    func onText(text: String) throws {
        try listener(text)
    }
}
