import AloeKit
import Foundation
import Observation

/// What is known of the user, on the screen.
@MainActor @Observable
final class PersonaModel {
    private(set) var facts: [Fact] = []
    /// A file to share, once it was exported.
    private(set) var exported: URL?
    private(set) var exportedRatings: URL?
    var problem: String?
    private let persona: Persona

    init(_ persona: Persona) {
        self.persona = persona
    }

    func load() async {
        await acting {}
    }

    func edit(_ fact: Fact, _ text: String) async {
        await acting { try await self.persona.edit(fact.id, text: text) }
    }

    func togglePin(_ fact: Fact) async {
        await acting { try await self.persona.setPinned(fact.id, !fact.pinned) }
    }

    func forget(_ fact: Fact) async {
        await acting { try await self.persona.forget(fact.id) }
    }

    func eraseAll() async {
        await acting { try await self.persona.eraseAll() }
    }

    func export() async {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("What AloeChat knows of me.json")
        await acting {
            try await self.persona.export(to: file)
            self.exported = file
        }
    }

    /// Rated replies, to train on at a desk.
    func exportRatings() async {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("What I think of replies.jsonl")
        await acting {
            try await self.persona.exportPreferences(to: file)
            self.exportedRatings = file
        }
    }

    private func acting(_ act: () async throws -> Void) async {
        do {
            try await act()
            facts = try await persona.facts()
        } catch {
            problem = error.localizedDescription
        }
    }
}
