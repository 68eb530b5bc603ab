/// What an assistant is doing, for whoever draws it.
public enum EngineState: Sendable, Equatable {
    /// Waiting for a message.
    case ready
    /// Answering in this many sessions.
    case answering(replies: Int)
    /// The app said that it is in the background; with a GPU no reply begins.
    case backgrounded
    /// Closed.
    case closed
}

/// Counts what is under way, says what it makes of the state, and tells whoever follows it.
final class Activity: Sendable {
    private struct Counts {
        var replies = 0
        var isBackgrounded = false
        var isClosed = false
        var followers: [Int: AsyncStream<EngineState>.Continuation] = [:]
        var nextFollower = 0

        var state: EngineState {
            if isClosed { return .closed }
            if replies > 0 { return .answering(replies: replies) }
            return isBackgrounded ? .backgrounded : .ready
        }
    }

    private let counts = Locked(Counts())

    var state: EngineState { counts.withLock { $0.state } }

    func replyBegan() { change { $0.replies += 1 } }
    func replyEnded() { change { $0.replies -= 1 } }
    func setBackgrounded(_ isBackgrounded: Bool) { change { $0.isBackgrounded = isBackgrounded } }
    func closed() { change { $0.isClosed = true } }

    /// The state now and after every change, to its end with `closed`. Whoever is slow sees the newest only.
    func states() -> AsyncStream<EngineState> {
        let (stream, continuation) = AsyncStream.makeStream(of: EngineState.self, bufferingPolicy: .bufferingNewest(1))
        let follower = counts.withLock { counts in
            continuation.yield(counts.state)
            if counts.isClosed { continuation.finish() }
            counts.nextFollower += 1
            counts.followers[counts.nextFollower] = continuation
            return counts.nextFollower
        }
        continuation.onTermination = { [weak self] _ in
            self?.counts.withLock { _ = $0.followers.removeValue(forKey: follower) }
        }
        return stream
    }

    /// States are handed on under the lock, so that all see them in one order.
    private func change(_ how: (inout Counts) -> Void) {
        let ended = counts.withLock { counts in
            let before = counts.state
            how(&counts)
            if counts.state != before { counts.followers.values.forEach { $0.yield(counts.state) } }
            return counts.isClosed ? Array(counts.followers.values) : []
        }
        // Not under the lock: ending a stream calls back to take it out of the list.
        ended.forEach { $0.finish() }
    }
}
