import Foundation
import XCTest

/// Where the tests find what they read.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The default model.
    static func model() throws -> String {
        try XCTUnwrap(ProcessInfo.processInfo.environment["ALOE_TEST_MODEL"], "ALOE_TEST_MODEL names the default model")
    }
}

/// A folder that is gone with this object.
final class TemporaryFolder: Sendable {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }
}
