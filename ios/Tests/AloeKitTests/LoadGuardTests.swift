import AloeKit
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
