import AloeKit
import AloeKitTesting
import Foundation

// The parameters that the steps of a case name.

extension AssistantParams {
    init(_ step: Step) throws {
        let engine = EngineParams(
            model: try step.text("model"), nCtx: step.number("n_ctx").map(UInt32.init) ?? 4096, nThreads: 1,
            memoryBudgetMib: step.number("memory_budget_mib").map(UInt64.init))
        self.init(
            engine: engine, memory: step.optional("memory"), snapshots: step.optional("snapshots"),
            onDamage: OnDamage(step), key: step.key(), induction: try Induction.from(step))
    }
}

extension Script {
    init(_ step: Step) throws {
        let replies = try step.steps("replies").map { fields in
            let reply = Step(fields: fields, kept: step.kept)
            return ScriptedReply(
                try reply.texts("pieces"), pieceDelayMs: reply.number("delay_ms").map(UInt32.init) ?? 0,
                failsWith: try reply.optional("fails_with").map(ErrorNames.make),
                alignmentNats: Double(reply.number("nats") ?? 0))
        }
        self.init(
            replies: replies, memory: step.optional("memory"), nCtx: step.number("n_ctx").map(UInt32.init) ?? 4096,
            usesGpu: step.flag("uses_gpu"), onDamage: OnDamage(step), induction: try Induction.from(step))
    }
}

extension OnDamage {
    init(_ step: Step) {
        self = step.optional("on_damage") == "quarantine" ? .quarantine : .fail
    }
}

extension Step {
    /// The key of so many bytes (32, if nothing is said), each of them the number.
    func key() -> StoreKey? {
        guard let byte = number("key") else { return nil }
        return StoreKey(bytes: Data(repeating: UInt8(byte), count: Int(number("key_length") ?? 32)))
    }

    func someKey() throws -> StoreKey {
        guard let key = key() else { throw Failure("a step has no key: \(self)") }
        return key
    }

    func message() throws -> UserMessage {
        UserMessage(text: try text("text"), pasted: has("pasted") ? try texts("pasted") : [])
    }
}

extension Induction {
    static func from(_ step: Step) throws -> Induction? {
        switch step.optional("induction") {
        case nil, "off": .off
        case "extractive": .extractive
        case "default": nil
        case let other?: throw Failure("no such induction: \(other)")
        }
    }
}

extension SessionParams {
    init(_ step: Step) throws {
        self.init(
            conversation: ConversationChoice(step),
            sampling: SamplingParams(temperature: Float(step.number("temperature") ?? 0), repetitionPenalty: 1),
            maxReplyTokens: step.number("max_reply_tokens").map(UInt32.init) ?? 384,
            overflow: step.optional("overflow") == "error" ? .error : .dropOldest,
            adapters: step.has("adapters") ? try step.texts("adapters").map { Adapter(path: $0) } : [],
            measureAlignment: step.flag("measure_alignment"),
            bestOf: step.number("best_of").map(UInt32.init) ?? 1)
    }
}

extension ConversationChoice {
    init(_ step: Step) {
        if let id = step.number("conversation") {
            self = .id(id: id)
        } else {
            self = step.optional("conversation") == "new" ? .new : .latest
        }
    }
}
