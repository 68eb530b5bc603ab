import AloeKit
import AloeKitTesting

func theAppShowsTheReply() async throws {
    let assistant = try await ScriptedAssistant.replying("Hello there.")
    defer { assistant.close() }
    var shown = ""
    for try await event in try await assistant.session().send("Hi") {
        if case let .piece(text) = event { shown += text }
    }
    assert(shown == "Hello there.")
}
