import AloeKit

/// An assistant without weights for an app's tests: replies from a script; sessions, memory and cancelling are real.
public enum ScriptedAssistant {
    /// One on this script; with a key its memory is encrypted.
    public static func open(_ script: Script, key: StoreKey? = nil) async throws -> Assistant {
        try await Assistant.openScripted(script.native, key: key)
    }

    /// One that gives these texts in turn, word by word, and then the last again and again.
    public static func replying(_ texts: String...) async throws -> Assistant {
        try await open(Script(replies: texts.map { ScriptedReply(words(of: $0)) }))
    }

    private static func words(of text: String) -> [String] {
        text.split(separator: " ", omittingEmptySubsequences: false).enumerated().map { at, word in
            (at == 0 ? "" : " ") + word
        }
    }
}
