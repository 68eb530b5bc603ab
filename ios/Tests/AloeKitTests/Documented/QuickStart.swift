import AloeKit

func talk(model: String, memory: String, show: (String) -> Void) async throws {
    let assistant = try await Assistant.open(AssistantParams(engine: EngineParams(model: model), memory: memory))
    defer { assistant.close() }
    for try await event in try await assistant.session().send("I play the cello. Any plans for my weekend?") {
        if case let .piece(text) = event { show(text) }
    }
    try await assistant.settle()
    for fact in try await assistant.persona.facts() { show(fact.text) }
}
