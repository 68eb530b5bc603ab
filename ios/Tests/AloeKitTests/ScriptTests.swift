import AloeKit
import AloeKitTesting
import XCTest

/// The module for the tests of apps.
final class ScriptTests: XCTestCase {
    func testTextsAreGivenWordByWord() async throws {
        let assistant = try await ScriptedAssistant.replying("Hello  there.", "")
        let turn = try await turn(of: try await assistant.session(), "hi")
        XCTAssertEqual(turn.reply, "Hello  there.")
        await assistant.closeAndWait()
    }

    func testAReplyFailsAfterItsPieces() async throws {
        let reply = ScriptedReply(["so ", "far"], failsWith: .notEnoughMemory(requiredMib: 2, availableMib: 1))
        let assistant = try await ScriptedAssistant.open(Script(replies: [reply]))
        let session = try await assistant.session()
        var text = ""
        let error = await failure {
            for try await event in session.send("hi") {
                if case let .piece(piece) = event { text += piece }
            }
        }
        XCTAssertEqual(text, "so far")
        XCTAssertEqual(error as? AloeError, .notEnoughMemory(requiredMib: 2, availableMib: 1))
        await assistant.closeAndWait()
    }

    func testDelaysAreKept() async throws {
        let assistant = try await ScriptedAssistant.open(Script(replies: [ScriptedReply(["a", "b"], pieceDelayMs: 50)]))
        let start = ContinuousClock.now
        _ = try await turn(of: try await assistant.session(), "hi")
        XCTAssertGreaterThanOrEqual(ContinuousClock.now - start, .milliseconds(100))
        await assistant.closeAndWait()
    }

    func testTheBestOfSeveralComesAsOnePieceAfterTheChoice() async throws {
        let folder = try TemporaryFolder()
        let adapter = folder.url.appendingPathComponent("adapter.gguf")
        try Data().write(to: adapter)
        let replies = [ScriptedReply(["No."], alignmentNats: -1), ScriptedReply(["Play ", "it."], alignmentNats: 4)]
        let assistant = try await ScriptedAssistant.open(Script(replies: replies))
        let session = try await assistant.session(
            SessionParams(adapters: [Adapter(path: adapter.path)], bestOf: 2))
        var events: [ReplyEvent] = []
        for try await event in session.send("What now?") { events.append(event) }
        XCTAssertEqual(events.first, .piece("Play it."))
        guard case let .done(turn)? = events.last else { return XCTFail("the reply has no end") }
        XCTAssertEqual(turn.candidates.map(\.nats), [-1, 4])
        XCTAssertEqual(turn.alignment, turn.candidates[1])
        await assistant.closeAndWait()
    }
}
