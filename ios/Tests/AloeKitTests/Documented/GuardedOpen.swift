import AloeKit

func open(
    _ params: AssistantParams, loads: LoadGuard, tryAgain: () async -> Bool
) async throws -> Assistant? {
    let estimate = try await Assistant.estimateMemory(params.engine)
    if estimate.requiredMib > estimate.availableMib { return nil }
    do {
        return try await Assistant.open(params, guard: loads)
    } catch is UnfinishedLoadError {
        guard await tryAgain() else { return nil }
        await loads.forgive()
        return try await Assistant.open(params, guard: loads)
    }
}
