import AloeKit
import Foundation

func chooseAndRate(_ assistant: Assistant, adapter: URL, better: String, rated: URL) async throws -> Double? {
    let session = try await assistant.session(SessionParams(adapters: [Adapter(path: adapter.path)], bestOf: 4))
    for try await event in session.send("What shall I do on Sunday?") {
        guard case let .done(turn) = event else { continue }
        try await session.rate(.edited(text: better), turn: turn.turn)
        try await assistant.persona.exportPreferences(to: rated)  // for `aloe train dpo --data`
        return turn.alignment?.nats
    }
    return nil
}
