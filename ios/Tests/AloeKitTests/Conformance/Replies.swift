import AloeKit
import Foundation

// How the cases read replies.

/// The pieces must be the reply, and the end come once and last.
func wholeTurn(_ events: [ReplyEvent], _ step: Step) throws -> Turn {
    guard case let .done(turn)? = events.last else { throw Failure("the reply has no end: \(step)") }
    let pieces = try events.dropLast().map { event in
        guard case let .piece(text) = event else { throw Failure("the reply has two ends: \(step)") }
        return text
    }
    try require(pieces.joined() == turn.reply, "the pieces \(pieces) are not the reply \(turn.reply): \(step)")
    try require(!turn.reply.unicodeScalars.contains("\u{FFFD}"), "a character was broken: \(step)")
    if let reply = step.optional("reply") { try require(turn.reply == reply, "\(turn.reply) instead of \(reply)") }
    if let stop = step.optional("stop") {
        try require(String(describing: turn.stop).lowercased() == stop.lowercased(), "\(turn.stop) instead of \(stop)")
    }
    return turn
}

/// What a list must hold.
func check(_ step: Step, _ texts: [String]) throws {
    if let count = step.number("count") { try require(texts.count == count, "\(step): \(texts)") }
    if let count = step.number("count_at_least") { try require(texts.count >= count, "\(step): \(texts)") }
    if let words = step.optional("contains") {
        try require(texts.contains { $0.contains(words) }, "\(step): \(texts)")
    }
}

/// The error that a call ends with.
func failure(_ call: () async throws -> Void) async -> (any Error)? {
    do {
        try await call()
        return nil
    } catch {
        return error
    }
}

/// The turn that a message ends with.
func turn(of session: Session, _ text: String) async throws -> Turn {
    for try await event in session.send(text) {
        if case let .done(turn) = event { return turn }
    }
    throw Failure("the reply has no end")
}

/// Reads a reply in a task of its own, which has begun to come when this returns.
func reading(_ session: Session, _ text: String) async -> Task<Void, any Error> {
    let (begun, begins) = AsyncStream.makeStream(of: Void.self)
    let task = Task {
        defer { begins.finish() }
        for try await _ in session.send(text) { begins.yield() }
    }
    for await _ in begun { break }
    return task
}

func sendTo(_ session: Session, _ step: Step) async throws -> Turn {
    let texts = Texts()
    let fails = step.flag("throws")
    let turn = try await session.send(step.text("text")) { text in
        if fails { throw Failure("the app's own mistake") }
        texts.append(text)
    }
    try require(texts.joined == turn.reply, "\(texts.joined) instead of \(turn.reply)")
    if let reply = step.optional("reply") { try require(turn.reply == reply, "\(turn.reply) instead of \(reply)") }
    return turn
}

func cancel(_ session: Session, _ step: Step) async throws {
    let (text, pieces) = (try step.text("text"), try step.count("after_pieces"))
    let read = Task {
        var read = 0
        do {
            for try await event in session.send(text) {
                guard case .piece = event else { continue }
                read += 1
                if read == pieces { withUnsafeCurrentTask { $0?.cancel() } }
            }
        } catch is CancellationError {}
        return read
    }
    let count = try await read.value
    try require(count <= pieces, "\(count) pieces came, cancelled after \(pieces)")
}

func busy(_ session: Session, _ step: Step) async throws {
    let reply = await reading(session, try step.text("text"))
    let error = await failure { for try await _ in session.send("more") {} }
    try require((error as? AloeError) == .busy, "a second reply ended with \(String(describing: error))")
    reply.cancel()
    _ = await reply.result
}

func backgroundDuring(_ assistant: Assistant, _ session: Session, _ step: Step) async throws {
    let reply = await reading(session, try step.text("text"))
    try await assistant.enterBackground()
    let error = await failure { try await reply.value }
    try require((error as? AloeError) == .backgrounded, "the reply ended with \(String(describing: error))")
}

/// Text that a native thread hands over.
final class Texts: @unchecked Sendable { // the lock is held whenever the texts are touched
    private let lock = NSLock()
    private var texts: [String] = []

    func append(_ text: String) { lock.withLock { texts.append(text) } }

    var joined: String { lock.withLock { texts.joined() } }
}
