import AloeKit
import XCTest

/// Errors keep what they say on their way.
final class AloeErrorTests: XCTestCase {
    func testEveryErrorIsItselfAfterBothTranslations() {
        for error in ErrorNames.all { XCTAssertEqual(AloeError(error.native), error) }
        XCTAssertEqual(Set(ErrorNames.all.map(ErrorNames.name)).count, 22)
    }

    func testEveryErrorSaysWhatItIs() {
        for error in ErrorNames.all {
            let text = error.localizedDescription
            XCTAssertFalse(text.isEmpty || text.contains("AloeError"), text)
        }
    }
}
