import AloeKit
import AloeKitTesting
import XCTest

/// What lives how long, and what is left behind.
final class LifetimeTests: XCTestCase {
    func testAnAssistantThatNobodyHoldsIsFreed() async throws {
        var assistant: Assistant? = try await ScriptedAssistant.replying("x")
        weak var held: Assistant?
        held = assistant
        assistant = nil
        XCTAssertNil(held)
    }

    func testASessionOutlivesItsAssistantsHandleAndSaysThatItIsClosed() async throws {
        let assistant = try await ScriptedAssistant.replying("x")
        let session = try await assistant.session()
        assistant.close()
        let error = await failure { for try await _ in session.send("hi") {} }
        XCTAssertEqual(error as? AloeError, .closed)
    }

    func testARepliesEventsAreReadOnTheMainActor() async throws {
        try await Self.eventsAreReadOnTheMainActor()
    }

    @MainActor
    private static func eventsAreReadOnTheMainActor() async throws {
        let assistant = try await ScriptedAssistant.replying("one two")
        var text = ""
        for try await event in try await assistant.session().send("hi") {
            MainActor.assertIsolated()
            if case let .piece(piece) = event { text += piece }
        }
        XCTAssertEqual(text, "one two")
        await assistant.closeAndWait()
    }

    func testSessionsAnswerAtOnce() async throws {
        let assistant = try await ScriptedAssistant.replying("one two three")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let session = try await assistant.session(SessionParams(conversation: .new))
                    let turn = try await turn(of: session, "go")
                    XCTAssertEqual(turn.reply, "one two three")
                }
            }
            try await group.waitForAll()
        }
        await assistant.closeAndWait()
    }

    func testAThousandAssistantsLeaveLittleMemoryBehind() async throws {
        func openAndClose(_ times: Int) async throws {
            for _ in 0..<times {
                let assistant = try await ScriptedAssistant.replying("x")
                _ = try await turn(of: try await assistant.session(), "hi")
                await assistant.closeAndWait()
            }
        }
        try await openAndClose(50)
        let before = Self.residentKib()
        try await openAndClose(1000)
        guard let before, let after = Self.residentKib() else { return }
        print("measured: growth over 1,000 opened and closed: \(after - before) KiB")
        XCTAssertLessThan(after - before, 32 * 1024)
    }

    /// Resident memory, where the system says it in a file.
    private static func residentKib() -> Int? {
        let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status?.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
    }
}
