import AloeKit
import AloeKitTesting
import XCTest

/// What crossing the border costs. The bounds are wide, for machines that do other work meanwhile; the figures are
/// printed.
final class CostTests: XCTestCase {
    func testAStreamedTokenCostsLittle() async throws {
        let tokens = 3000
        let script = Script(replies: [ScriptedReply((0..<tokens).map { "w\($0) " })], nCtx: 8192)
        let assistant = try await ScriptedAssistant.open(script)
        let session = try await assistant.session(SessionParams(maxReplyTokens: UInt32(tokens)))
        var pieces = 0
        let start = ContinuousClock.now
        for try await event in session.send("go") {
            if case .piece = event { pieces += 1 }
        }
        let each = (ContinuousClock.now - start) / .microseconds(tokens)
        print("measured: a scripted token, engine and border: \(each) µs, \(pieces) pieces of \(tokens) tokens")
        XCTAssertLessThan(each, 1000)
        await assistant.closeAndWait()
    }

    func testACallCostsLittle() async throws {
        let assistant = try await ScriptedAssistant.replying("x")
        let start = ContinuousClock.now
        for _ in 0..<500 { _ = try await assistant.persona.facts() }
        let each = (ContinuousClock.now - start) / .microseconds(500)
        print("measured: one awaited call: \(each) µs")
        XCTAssertLessThan(each, 10_000)
        await assistant.closeAndWait()
    }
}
