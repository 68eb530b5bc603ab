import Foundation

/// What is known of the user: they can see it, correct it, keep it, forget it, take it away and bring it back.
public final class Persona: Sendable {
    private let native: NativePersona

    init(_ native: NativePersona) {
        self.native = native
    }

    /// Every fact in force, oldest turn first.
    public func facts() async throws -> [Fact] {
        try await translated { try await native.facts() }
    }

    /// Every memory, facts and the user's own turns, oldest turn first.
    public func memories() async throws -> [Memory] {
        try await translated { try await native.memories() }
    }

    /// Reads the turns that were not read yet for facts. For idle moments; cancelled, it goes on where it was.
    @discardableResult
    public func learn() async throws -> LearnReport {
        try await cancellable { try await native.learn(cancel: $0) }
    }

    /// The memories that matter to a text, best first.
    public func search(_ text: String, maxCount: Int = 8) async throws -> [Recalled] {
        try await translated { try await native.search(text: text, maxCount: UInt32(clamping: maxCount)) }
    }

    /// The memories behind the reply of a turn, without those forgotten since.
    public func why(turn: Int64) async throws -> [Memory] {
        try await translated { try await native.why(turn: turn) }
    }

    /// Changes what a memory says; the user's own words behind it stay.
    @discardableResult
    public func edit(_ id: Int64, text: String) async throws -> Memory {
        try await translated { try await native.edit(id: id, text: text) }
    }

    /// Keeps a memory from decay, or no longer.
    public func setPinned(_ id: Int64, _ pinned: Bool) async throws {
        try await translated { try await native.setPinned(id: id, pinned: pinned) }
    }

    /// Forgets a memory with the turns it comes from, in every file, prompt and snapshot.
    @discardableResult
    public func forget(_ id: Int64) async throws -> ForgetReport {
        try await translated { try await native.forget(id: id) }
    }

    /// Every memory that matters to a topic, to be shown before it is forgotten.
    public func findTopic(_ text: String) async throws -> [Memory] {
        try await translated { try await native.findTopic(text: text) }
    }

    /// Forgets several memories as one: what ``findTopic(_:)`` found and the user agreed to.
    @discardableResult
    public func forgetAll(_ ids: [Int64]) async throws -> ForgetReport {
        try await translated { try await native.forgetAll(ids: ids) }
    }

    /// Erases memories, conversations and snapshots.
    public func eraseAll() async throws {
        try await translated { try await native.eraseAll() }
    }

    /// Writes everything that is kept into a JSON file; whole or not at all.
    public func export(to file: URL) async throws {
        try await translated { try await native.exportTo(path: file.path) }
    }

    /// Brings in what ``export(to:)`` wrote.
    @discardableResult
    public func importFrom(_ file: URL) async throws -> ImportReport {
        try await translated { try await native.importFrom(path: file.path) }
    }

    /// What the user thinks of the reply to a turn, if they said so; ``Session/rate(_:turn:)`` keeps it.
    public func rating(turn: Int64) async throws -> Rating? {
        try await translated { try await native.rating(turn: turn) }
    }

    /// Takes a rating back; that there was none is no error.
    public func unrate(turn: Int64) async throws {
        try await translated { try await native.unrate(turn: turn) }
    }

    /// Writes the rated replies as JSON lines to train on: edited ones as pairs, which `aloe train dpo` learns from, those
    /// with a thumb alone into `unpaired` (without a name, beside the pairs).
    ///
    /// Each prompt begins with the instructions, which should be those of the sessions (the default ones, if nothing is
    /// said), and has so many turns at most. The files hold what was said, and no later forgetting reaches them.
    @discardableResult
    public func exportPreferences(
        to pairs: URL, unpaired: URL? = nil, systemPrompt: String? = nil, turns: Int = 8
    ) async throws -> PreferenceReport {
        try await translated {
            try await native.exportPreferencesTo(
                path: pairs.path, unpaired: unpaired?.path, systemPrompt: systemPrompt,
                turns: UInt32(clamping: max(turns, 1)))
        }
    }

    /// All conversations, newest first.
    public func conversations() async throws -> [ConversationInfo] {
        try await translated { try await native.conversations() }
    }

    /// The turns of a conversation in the order in which they were said.
    public func transcript(of conversation: Int64) async throws -> [StoredTurn] {
        try await translated { try await native.transcript(conversation: conversation) }
    }

    /// How far the vectors match the embedder.
    public func vectorStatus() async throws -> VectorStatus {
        try await translated { try await native.vectorStatus() }
    }

    /// Gives a vector of the present embedder to every memory that has none; returns to how many.
    @discardableResult
    public func reembed() async throws -> UInt64 {
        try await translated { try await native.reembed() }
    }

    /// Reads the whole store and throws if it is not sound; about a second for every 100 MB.
    public func check() async throws {
        try await translated { try await native.check() }
    }
}
