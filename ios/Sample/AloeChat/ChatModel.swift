import AloeKit
import Observation

/// One conversation on the screen.
@MainActor @Observable
final class ChatModel {
    struct Line: Identifiable {
        let id: Int
        let isUser: Bool
        var text: String
        /// The finished turn, once there is one.
        var turn: Turn?
        /// What the user thinks of it.
        var rating: Rating?
    }

    let assistant: Assistant
    private(set) var lines: [Line] = []
    private(set) var isAnswering = false
    var problem: String?
    @ObservationIgnored private var session: Session?
    @ObservationIgnored private var answering: Task<Void, Never>?

    init(_ assistant: Assistant) {
        self.assistant = assistant
    }

    func send(_ text: String) {
        add(text, isUser: true)
        let line = add("", isUser: false)
        isAnswering = true
        answering = Task {
            await answer(text, at: line)
            isAnswering = false
        }
    }

    func stop() {
        answering?.cancel()
    }

    /// Keeps what the user thinks of a reply; nothing takes it back.
    func rate(_ line: Line, _ rating: Rating?) async {
        guard let turn = line.turn?.turn else { return }
        do {
            if let rating {
                try await opened().rate(rating, turn: turn)
            } else {
                try await assistant.persona.unrate(turn: turn)
            }
            lines[line.id].rating = try await assistant.persona.rating(turn: turn)
        } catch {
            problem = error.localizedDescription
        }
    }

    private func answer(_ text: String, at line: Int) async {
        do {
            for try await event in try await opened().send(text) {
                switch event {
                case let .piece(piece): lines[line].text += piece
                case let .done(turn): lines[line].turn = turn
                }
            }
        } catch is CancellationError {
            // The user stopped it: what came stays.
        } catch {
            problem = error.localizedDescription
        }
    }

    private func opened() async throws -> Session {
        if let session { return session }
        let opened = try await assistant.session()
        session = opened
        return opened
    }

    @discardableResult
    private func add(_ text: String, isUser: Bool) -> Int {
        lines.append(Line(id: lines.count, isUser: isUser, text: text))
        return lines.count - 1
    }
}
