import AloeKit
import AloeKitTesting
import XCTest

/// A cancelled task ends native work, and the session goes on.
final class CancellingTests: XCTestCase {
    private let endless = Script(replies: [ScriptedReply((0..<2000).map { "w\($0) " }, pieceDelayMs: 5)])

    /// Milliseconds from the cancelling of a task to its end.
    private func timeToStop(_ task: Task<Void, any Error>) async -> Double {
        let start = ContinuousClock.now
        task.cancel()
        let end = await task.result
        let time = (ContinuousClock.now - start) / .milliseconds(1)
        XCTAssertThrowsError(try end.get()) { XCTAssert($0 is CancellationError, "\($0)") }
        return time
    }

    func testACancelledTaskEndsAScriptedReplyWithinAToken() async throws {
        let assistant = try await ScriptedAssistant.open(endless)
        let session = try await assistant.session()
        let time = await timeToStop(await reading(session, "talk"))
        XCTAssertLessThan(time, 1000)
        let stored = try await assistant.persona.transcript(of: session.conversation)
        XCTAssertEqual(stored.map(\.replyState), [.cancelled])
        await assistant.closeAndWait()
    }

    func testACancelledTaskEndsARealReplySoon() async throws {
        let assistant = try await Assistant.open(
            AssistantParams(engine: EngineParams(model: Repository.model(), nCtx: 1024)))
        let session = try await assistant.session(SessionParams(maxReplyTokens: 400))
        var times: [Double] = []
        for _ in 0..<5 { times.append(await timeToStop(await reading(session, "Tell me a long story."))) }
        print("measured: cancel to stop, real model, median of 5: \(times.sorted()[2]) ms")
        XCTAssertLessThan(times.sorted()[2], 1000)
        await assistant.closeAndWait()
    }

    func testLeavingTheLoopEndsTheReplyAndTheNextMessageIsTaken() async throws {
        let assistant = try await ScriptedAssistant.open(endless)
        let session = try await assistant.session()
        for _ in 0..<20 {
            for try await event in session.send("talk") {
                if case .piece = event { break }
            }
        }
        let stored = try await assistant.persona.transcript(of: session.conversation)
        XCTAssertEqual(stored.count, 20)
        await assistant.closeAndWait()
    }

    func testEveryCallWaitsForAReplyThatWasLeft() async throws {
        let assistant = try await ScriptedAssistant.open(endless)
        let session = try await assistant.session()
        for try await _ in session.send("talk") { break }
        try await session.setRemember(false)
        for try await _ in session.send("talk") { break }
        try await session.setSampling(SamplingParams(temperature: 0))
        await assistant.closeAndWait()
    }

    func testATaskThatIsCancelledAlreadySendsNothing() async throws {
        let assistant = try await ScriptedAssistant.replying("x")
        let session = try await assistant.session()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            for try await _ in session.send("hello") {}
        }
        let error = await failure { try await task.value }
        XCTAssert(error is CancellationError, "\(String(describing: error))")
        let memories = try await assistant.persona.memories()
        XCTAssertEqual(memories, [])
        await assistant.closeAndWait()
    }

    func testCancellingEndsOpeningAtOnce() async throws {
        let params = AssistantParams(engine: EngineParams(model: try Repository.model()))
        let opening = Task { _ = try await Assistant.open(params) }
        opening.cancel()
        let error = await failure { try await opening.value }
        XCTAssert(error is CancellationError, "\(String(describing: error))")
    }

    func testCancellingEndsAReplyToAListenerBeforeItsNextText() async throws {
        let slow = Script(replies: [ScriptedReply(["first ", "never"], pieceDelayMs: 3000)])
        let assistant = try await ScriptedAssistant.open(slow)
        let session = try await assistant.session()
        let task = Task { _ = try await session.send("talk") { _ in } }
        try await Task.sleep(nanoseconds: 50_000_000)
        let time = await timeToStop(task)
        XCTAssertLessThan(time, 2500)
        await assistant.closeAndWait()
    }

    func testCancellingEndsAReplyToAListener() async throws {
        let assistant = try await ScriptedAssistant.open(endless)
        let session = try await assistant.session()
        let (begun, begins) = AsyncStream.makeStream(of: Void.self)
        let task = Task { _ = try await session.send("talk") { _ in begins.yield() } }
        for await _ in begun { break }
        let time = await timeToStop(task)
        XCTAssertLessThan(time, 1000)
        await assistant.closeAndWait()
    }
}
