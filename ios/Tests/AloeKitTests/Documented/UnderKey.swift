import AloeKit
import Foundation

func openUnderKey(_ engine: EngineParams, memory: URL, key: StoreKey) async throws -> Assistant {
    let params = AssistantParams(engine: engine, memory: memory.path, key: key)
    do {
        return try await Assistant.open(params)
    } catch AloeError.wrongKey {
        try await Assistant.encryptMemory(memory, key: key)  // wrongKey again, if it is under another
        return try await Assistant.open(params)
    }
}
