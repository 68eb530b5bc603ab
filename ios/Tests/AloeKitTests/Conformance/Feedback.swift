import AloeKit
import Foundation

// The steps about what the user thinks of replies, and what the adapters do.

/// Carries out one of them; false for a step of another kind.
func feedback(_ assistant: Assistant, _ session: Session?, _ lastTurn: Int64, _ step: Step) async throws -> Bool {
    let turn = step.number("turn")
    switch try step.text("do") {
    case "rate":
        let rated = try await some(session).rate(rating(step), turn: turn)
        try require(rated == turn ?? lastTurn, "turn \(rated) was rated: \(step)")
    case "rating":
        let kept = try await assistant.persona.rating(turn: turn ?? lastTurn)
        let wanted = try step.text("rating") == "none" ? nil : rating(step)
        try require(kept == wanted, "\(String(describing: kept)) is kept: \(step)")
    case "unrate": try await assistant.persona.unrate(turn: turn ?? lastTurn)
    case "rate_during":
        try await during(some(session), step) { try await $0.rate(rating(step), turn: turn) }
    case "preferences": try await preferences(assistant.persona, step)
    case "best_of": try await some(session).setBestOf(step.count("count"))
    case "alignment": try check(await some(session).alignment(turn: turn), step)
    case "alignment_during": try await during(some(session), step) { _ = try await $0.alignment() }
    case "give_up": try await giveUp(assistant, some(session), step)
    default: return false
    }
    return true
}

private func some(_ session: Session?) throws -> Session {
    guard let session else { throw Failure("no session was opened") }
    return session
}

private func rating(_ step: Step) throws -> Rating {
    switch try step.text("rating") {
    case "up": .up
    case "down": .down
    case "edited": .edited(text: try step.text("edit"))
    case let other: throw Failure("no such rating: \(other)")
    }
}

/// Does something while a reply is under way, which ends then.
private func during(_ session: Session, _ step: Step, _ act: (Session) async throws -> Void) async throws {
    let reply = await reading(session, try step.text("text"))
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await act(session)) } catch { outcome = .failure(error) }
    reply.cancel()
    _ = await reply.result
    try outcome.get()
}

/// Gives a reply up before a word of it was shown.
private func giveUp(_ assistant: Assistant, _ session: Session, _ step: Step) async throws {
    let text = try step.text("text")
    let reply = Task {
        for try await event in session.send(text) { throw Failure("it was shown: \(event)") }
    }
    try await Task.sleep(nanoseconds: UInt64(step.count("after_ms")) * 1_000_000)
    reply.cancel()
    let error = await failure { try await reply.value }
    try require(error is CancellationError, "it ended with \(String(describing: error))")
    let stored = try await assistant.persona.transcript(of: session.conversation).last
    try require(stored?.reply == "" && stored?.replyState == .cancelled, "\(String(describing: stored)): \(step)")
}

private func preferences(_ persona: Persona, _ step: Step) async throws {
    let file = URL(fileURLWithPath: try step.text("path"))
    let report = try await persona.exportPreferences(
        to: file, systemPrompt: step.optional("system"), turns: Int(step.number("turns") ?? 8))
    try require(Int64(report.pairs) == step.number("pairs"), "\(report): \(step)")
    try require(Int64(report.labelled) == step.number("labelled"), "\(report): \(step)")
    let pairs = try String(contentsOf: file, encoding: .utf8)
    try require(lines(pairs) == report.pairs, "\(pairs): \(step)")
    let labelled = try report.unpaired.map { lines(try String(contentsOfFile: $0, encoding: .utf8)) }
    try require((labelled ?? 0) == report.labelled, "\(report): \(step)")
    if let words = step.optional("contains") { try require(pairs.contains(words), "\(pairs): \(step)") }
}

private func lines(_ text: String) -> UInt64 { UInt64(text.split(separator: "\n").count) }

/// What was measured of a turn.
func checkMeasured(_ turn: Turn, _ step: Step) throws {
    if step.has("measured") {
        try require((turn.alignment != nil) == step.flag("measured"), "\(String(describing: turn.alignment)): \(step)")
    }
    if let count = step.number("candidates") {
        try require(turn.candidates.count == count, "\(turn.candidates): \(step)")
    }
    if let alignment = turn.alignment {
        try check(alignment, step)
    } else {
        try require(!step.has("nats"), "nothing was measured: \(step)")
    }
}

private func check(_ alignment: ReplyAlignment, _ step: Step) throws {
    if let nats = step.number("nats") {
        try require(abs(alignment.nats - Double(nats)) < 1e-3, "\(alignment): \(step)")
    }
    if let tokens = step.number("tokens") { try require(alignment.tokens == tokens, "\(alignment): \(step)") }
    let whole = alignment.natsPerToken * Double(alignment.tokens)
    try require(abs(whole - alignment.nats) < 1e-6, "\(alignment)")
}
