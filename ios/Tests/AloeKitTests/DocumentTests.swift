import AloeKit
import AloeKitTesting
import XCTest

/// The code that `docs/ios.md` shows is compiled here, and runs.
final class DocumentTests: XCTestCase {
    func testEveryBlockOfTheDocumentIsCompiledHere() throws {
        let document = try String(contentsOf: Repository.root.appendingPathComponent("docs/ios.md"), encoding: .utf8)
        let blocks = document.components(separatedBy: "```swift\n").dropFirst()
            .map { $0.components(separatedBy: "```")[0] }
        XCTAssertEqual(blocks.count, 5)
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Documented")
        let compiled = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .map { try String(contentsOf: $0, encoding: .utf8) }
        for block in blocks { XCTAssert(compiled.contains(block), "no test compiles:\n\(block)") }
    }

    func testTheQuickStartIsTenLines() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Documented/QuickStart.swift")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        XCTAssertLessThanOrEqual(lines.drop { $0.hasPrefix("import") }.count, 10)
    }

    func testTheQuickStartTalksAndLearns() async throws {
        let folder = try TemporaryFolder()
        var shown = ""
        let memory = folder.url.appendingPathComponent("memory.db").path
        try await talk(model: Repository.model(), memory: memory) { shown += $0 }
        XCTAssert(shown.contains("cello"), shown)
    }

    func testTheGuardedOpenAsksAfterAnUnfinishedLoad() async throws {
        let folder = try TemporaryFolder()
        let marker = folder.url.appendingPathComponent("loading")
        let model = try Repository.model()
        try Data(model.utf8).write(to: marker)
        let params = AssistantParams(engine: EngineParams(model: model, nCtx: 512))
        let refused = try await open(params, loads: LoadGuard(marker: marker)) { false }
        XCTAssertNil(refused)
        let opened = try await open(params, loads: LoadGuard(marker: marker)) { true }
        await opened?.closeAndWait()
        XCTAssertNotNil(opened)
    }

    func testAPlainMemoryIsEncryptedOnceAndAWrongKeyIsRefused() async throws {
        let folder = try TemporaryFolder()
        let memory = folder.url.appendingPathComponent("memory.db")
        let engine = EngineParams(model: try Repository.model(), nCtx: 512, nThreads: 1)
        let plain = try await Assistant.open(AssistantParams(engine: engine, memory: memory.path))
        await plain.closeAndWait()
        let key = StoreKey(bytes: Data(repeating: 7, count: 32))
        for _ in 0..<2 { await (try await openUnderKey(engine, memory: memory, key: key)).closeAndWait() }
        let other = StoreKey(bytes: Data(repeating: 8, count: 32))
        let error = await failure { _ = try await openUnderKey(engine, memory: memory, key: other) }
        XCTAssertEqual(error as? AloeError, .wrongKey(path: memory.path))
    }

    func testAReplyIsChosenRatedAndExported() async throws {
        let folder = try TemporaryFolder()
        let adapter = folder.url.appendingPathComponent("adapter.gguf")
        let rated = folder.url.appendingPathComponent("rated.jsonl")
        try Data().write(to: adapter)
        let replies = [0, 3, 1, 2].map { ScriptedReply(["Rest."], alignmentNats: $0) }
        let assistant = try await ScriptedAssistant.open(Script(replies: replies))
        let nats = try await chooseAndRate(assistant, adapter: adapter, better: "Play the cello.", rated: rated)
        XCTAssertNotNil(nats)
        XCTAssert(try String(contentsOf: rated, encoding: .utf8).contains("Play the cello."))
        await assistant.closeAndWait()
    }

    func testTheAppsOwnTestRuns() async throws {
        try await theAppShowsTheReply()
    }
}
