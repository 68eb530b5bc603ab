@testable import AloeKit
import XCTest

/// A model that the process did not survive is not loaded again without asking.
final class LoadGuardTests: XCTestCase {
    private func marker(_ folder: TemporaryFolder) -> URL {
        folder.url.appendingPathComponent("guard").appendingPathComponent("loading")
    }

    func testAModelThatLoadsLeavesNoMarker() async throws {
        let folder = try TemporaryFolder()
        let loads = LoadGuard(marker: marker(folder))
        let params = AssistantParams(engine: EngineParams(model: try Repository.model(), nCtx: 512))
        let assistant = try await Assistant.open(params, guard: loads)
        let unfinished = await loads.unfinished()
        XCTAssertNil(unfinished)
        await assistant.closeAndWait()
    }

    func testAModelThatIsRefusedLeavesNoMarker() async throws {
        let folder = try TemporaryFolder()
        let loads = LoadGuard(marker: marker(folder))
        let missing = AssistantParams(engine: EngineParams(model: "none.gguf"))
        let error = await failure { _ = try await Assistant.open(missing, guard: loads) }
        guard case .modelMissing? = error as? AloeError else { return XCTFail("\(String(describing: error))") }
        let unfinished = await loads.unfinished()
        XCTAssertNil(unfinished)
    }

    func testAMarkerThatIsLeftNamesTheModelUntilItIsForgiven() async throws {
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("loading")
        try Data("none.gguf".utf8).write(to: file)
        let loads = LoadGuard(marker: file)
        let params = AssistantParams(engine: EngineParams(model: "none.gguf"))
        let error = await failure { _ = try await Assistant.open(params, guard: loads) }
        XCTAssertEqual(error as? UnfinishedLoadError, UnfinishedLoadError(model: "none.gguf"))
        await loads.forgive()
        let forgiven = await failure { _ = try await Assistant.open(params, guard: loads) }
        XCTAssert(forgiven is AloeError, "\(String(describing: forgiven))")
    }

    func testTheMarkerOfALoadThatWasCancelledStaysUntilLoadingIsOver() async throws {
        let folder = try TemporaryFolder()
        let marker = marker(folder)
        let loads = LoadGuard(marker: marker)
        let (over, ends) = AsyncStream.makeStream(of: Void.self)
        let cancelled = await failure {
            try await loads.around("a.gguf", settled: { for await _ in over {} }) { () -> Void in
                throw CancellationError()
            }
        }
        XCTAssert(cancelled is CancellationError)
        XCTAssertEqual(try String(contentsOf: marker, encoding: .utf8), "a.gguf")
        let unfinished = await loads.unfinished()
        XCTAssertNil(unfinished, "this process lives")
        try await loads.around("b.gguf", settled: {}) {}
        XCTAssert(FileManager.default.fileExists(atPath: marker.path), "the other load goes on")
        ends.finish()
        while FileManager.default.fileExists(atPath: marker.path) { try await Task.sleep(nanoseconds: 1_000_000) }
    }

    func testOpeningThatWasGivenUpLeavesNoMarkerOnceTheModelIsLoaded() async throws {
        let folder = try TemporaryFolder()
        let loads = LoadGuard(marker: marker(folder))
        let params = AssistantParams(engine: EngineParams(model: try Repository.model(), nCtx: 512))
        let opening = Task { _ = try await Assistant.open(params, guard: loads) }
        try await Task.sleep(nanoseconds: 5_000_000)
        opening.cancel()
        _ = await opening.result
        while FileManager.default.fileExists(atPath: marker(folder).path) { try await Task.sleep(nanoseconds: 5_000_000) }
        await (try await Assistant.open(params, guard: loads)).closeAndWait()
    }

    func testAMarkerThatCannotBeWrittenIsSaid() async throws {
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("file")
        try Data().write(to: file)
        let loads = LoadGuard(marker: file.appendingPathComponent("loading"))
        let params = AssistantParams(engine: EngineParams(model: "none.gguf"))
        let error = await failure { _ = try await Assistant.open(params, guard: loads) }
        guard case .storageDenied? = error as? AloeError else { return XCTFail("\(String(describing: error))") }
    }
}
