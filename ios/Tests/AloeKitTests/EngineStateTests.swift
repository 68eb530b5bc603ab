import AloeKit
import AloeKitTesting
import XCTest

/// What an assistant says that it is doing.
final class EngineStateTests: XCTestCase {
    func testItIsReadyThenAnsweringThenReady() async throws {
        let assistant = try await ScriptedAssistant.open(Script(replies: [ScriptedReply(["a", "b"], pieceDelayMs: 20)]))
        XCTAssertEqual(assistant.state, .ready)
        let session = try await assistant.session()
        for try await event in session.send("hi") {
            if case .piece = event { XCTAssertEqual(assistant.state, .answering(replies: 1)) }
        }
        XCTAssertEqual(assistant.state, .ready)
        await assistant.closeAndWait()
    }

    func testItSaysWhenItIsInTheBackgroundAndBack() async throws {
        let assistant = try await ScriptedAssistant.replying("x")
        try await assistant.enterBackground()
        XCTAssertEqual(assistant.state, .backgrounded)
        try assistant.enterForeground()
        XCTAssertEqual(assistant.state, .ready)
        await assistant.closeAndWait()
    }

    func testAMessageThatIsRefusedLeavesItReady() async throws {
        let assistant = try await ScriptedAssistant.replying("x")
        let session = try await assistant.session()
        let error = await failure { for try await _ in session.send("  ") {} }
        XCTAssertNotNil(error)
        XCTAssertEqual(assistant.state, .ready)
        await assistant.closeAndWait()
    }

    func testStatesBeginWithTheOneNowAndEndWithClosed() async throws {
        let assistant = try await ScriptedAssistant.replying("x")
        let states = assistant.states
        let followed = Task { await states.reduce(into: []) { $0.append($1) } }
        await assistant.closeAndWait()
        let seen = await followed.value
        XCTAssertEqual(seen.last, .closed)
        let late = await assistant.states.reduce(into: []) { $0.append($1) }
        XCTAssertEqual(late, [.closed])
    }

    func testAnObservedEngineFollows() async throws {
        try await Self.anObservedEngineFollows()
    }

    @MainActor
    private static func anObservedEngineFollows() async throws {
        guard #available(iOS 17, macOS 14, *) else { throw XCTSkip("no Observation here") }
        let assistant = try await ScriptedAssistant.replying("x")
        let observed = ObservedEngine(assistant)
        XCTAssertEqual(observed.state, .ready)
        await assistant.closeAndWait()
        for _ in 0..<1000 where observed.state != .closed { try await Task.sleep(for: .milliseconds(2)) }
        XCTAssertEqual(observed.state, .closed)
    }
}
