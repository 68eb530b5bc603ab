import Foundation
import XCTest

/// The cases that every language must pass, read from `tests/conformance`: one test a file, and one for new files.
/// Each case prints its outcome in a line of its own, by which the runner counts.
final class ConformanceTests: XCTestCase {
    private struct Case: Decodable {
        let name: String
        let steps: [[String: JSON]]
    }

    private static let folder = Repository.root.appendingPathComponent("tests/conformance")
    private static let known = [
        "adapters", "alignment", "cancel", "chat", "encryption", "errors", "learning", "lifecycle", "persona", "ratings",
        "snapshots",
    ]

    func testAdapters() async throws { try await run("adapters") }
    func testAlignment() async throws { try await run("alignment") }
    func testCancel() async throws { try await run("cancel") }
    func testChat() async throws { try await run("chat") }
    func testEncryption() async throws { try await run("encryption") }
    func testErrors() async throws { try await run("errors") }
    func testLearning() async throws { try await run("learning") }
    func testLifecycle() async throws { try await run("lifecycle") }
    func testPersona() async throws { try await run("persona") }
    func testRatings() async throws { try await run("ratings") }
    func testSnapshots() async throws { try await run("snapshots") }

    func testOtherFiles() async throws {
        let files = try FileManager.default.contentsOfDirectory(at: Self.folder, includingPropertiesForKeys: nil)
        let names = files.filter { $0.pathExtension == "json" }.map { $0.deletingPathExtension().lastPathComponent }
        for name in names.sorted() where !Self.known.contains(name) { try await run(name) }
    }

    private func run(_ file: String) async throws {
        let data = try Data(contentsOf: Self.folder.appendingPathComponent("\(file).json"))
        for one in try JSONDecoder().decode([Case].self, from: data) {
            do {
                let folder = try TemporaryFolder()
                try await Interpreter(folder: folder.url, model: Repository.model()).run(one.steps)
                print("conformance: passed: \(one.name)")
            } catch {
                print("conformance: failed: \(one.name): \(error)")
                XCTFail("\(one.name): \(error)")
            }
        }
    }
}
