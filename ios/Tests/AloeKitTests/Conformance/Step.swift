import Foundation

/// What a case found wrong.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Throws unless the condition holds.
func require(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    if !condition { throw Failure(what()) }
}

/// One step of a case: its fields, with names of what earlier steps kept put in.
struct Step: Sendable, CustomStringConvertible {
    let fields: [String: JSON]
    let kept: [String: String]

    var description: String { "\(fields)" }

    func has(_ name: String) -> Bool { fields[name] != nil }

    func text(_ name: String) throws -> String {
        guard let text = optional(name) else { throw Failure("a step has no text \(name): \(self)") }
        return text
    }

    func optional(_ name: String) -> String? {
        guard case let .text(text)? = fields[name] else { return nil }
        return filled(text)
    }

    func number(_ name: String) -> Int64? {
        switch fields[name] {
        case let .number(number): number
        case let .text(text): Int64(filled(text))
        default: nil
        }
    }

    func count(_ name: String) throws -> Int {
        guard let number = number(name) else { throw Failure("a step has no number \(name): \(self)") }
        return Int(number)
    }

    func flag(_ name: String) -> Bool {
        if case .flag(true)? = fields[name] { true } else { false }
    }

    func texts(_ name: String) throws -> [String] {
        guard case let .list(values)? = fields[name] else { throw Failure("a step has no list \(name): \(self)") }
        return try values.map {
            guard case let .text(text) = $0 else { throw Failure("\(name) is no list of texts: \(self)") }
            return filled(text)
        }
    }

    func bytes(_ name: String) throws -> Data {
        let digits = Array(try text(name))
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
        return Data(bytes.compactMap { $0 })
    }

    func steps(_ name: String) throws -> [[String: JSON]] {
        guard case let .list(values)? = fields[name] else { throw Failure("a step has no steps \(name): \(self)") }
        return try values.map {
            guard case let .object(step) = $0 else { throw Failure("\(name) is no list of steps: \(self)") }
            return step
        }
    }

    func expectations() -> [String: Int64] {
        guard case let .object(fields)? = fields["fields"] else { return [:] }
        return fields.compactMapValues { if case let .number(number) = $0 { number } else { nil } }
    }

    private func filled(_ text: String) -> String {
        kept.reduce(text) { text, kept in text.replacingOccurrences(of: "$\(kept.key)", with: kept.value) }
    }
}
