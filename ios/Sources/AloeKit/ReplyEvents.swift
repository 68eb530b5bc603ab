/// What comes of a message, in order: pieces of text, then the finished turn.
public enum ReplyEvent: Sendable, Equatable {
    /// More text: whole characters, one token at first, then up to eight at a time; the best of several is one piece.
    case piece(String)
    /// The reply is over and recorded: its text, why it ended, what it cost, the memories recalled for the
    /// message, the facts in the instructions, and how the adapters lean towards it where that was asked for.
    case done(Turn)
}

/// The events of one reply. Iterating sends the message, and iterating again sends it again.
public struct ReplyEvents: AsyncSequence, Sendable {
    public typealias Element = ReplyEvent

    let session: Session
    let message: UserMessage

    public func makeAsyncIterator() -> Iterator {
        Iterator(session: session, message: message)
    }

    public struct Iterator: AsyncIteratorProtocol {
        private enum Phase {
            case unsent
            case reading(LiveReply)
            case over
        }

        private let session: Session
        private let message: UserMessage
        private var phase = Phase.unsent

        init(session: Session, message: UserMessage) {
            self.session = session
            self.message = message
        }

        public mutating func next() async throws -> ReplyEvent? {
            switch phase {
            case .over:
                return nil
            case .unsent:
                phase = .over // should it fail
                phase = .reading(try await session.begin(message))
                return try await next()
            case let .reading(reply):
                phase = .over
                let event = try await reply.next()
                if case .piece = event { phase = .reading(reply) }
                return event
            }
        }
    }
}

/// A reply under way. Whoever lets go of it before its end, ends it.
final class LiveReply: Sendable {
    private let native: NativeReply
    private let session: Session
    private let isOver = Locked(false)

    init(_ native: NativeReply, _ session: Session) {
        self.native = native
        self.session = session
    }

    func next() async throws -> ReplyEvent {
        try await withTaskCancellationHandler {
            if let piece = try await translated(native.next), !Task.isCancelled { return .piece(piece) }
            return .done(try await finish())
        } onCancel: {
            native.cancel()
        }
    }

    private func finish() async throws -> Turn {
        isOver.withLock { $0 = true }
        defer { session.ended() }
        do {
            let turn = try await translated(native.finish)
            try Task.checkCancellation()
            return turn
        } catch {
            try Task.checkCancellation()
            throw error
        }
    }

    deinit {
        if !isOver.withLock({ $0 }) { session.leave(native) }
    }
}
