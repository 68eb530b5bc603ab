package dev.aloekit.conformance

import dev.aloekit.Adapter
import dev.aloekit.AssistantParams
import dev.aloekit.ConversationChoice
import dev.aloekit.EngineParams
import dev.aloekit.Induction
import dev.aloekit.OnDamage
import dev.aloekit.Overflow
import dev.aloekit.SamplingParams
import dev.aloekit.ScriptParams
import dev.aloekit.ScriptedReply
import dev.aloekit.SessionParams
import dev.aloekit.StoreKey
import dev.aloekit.UserMessage

// The parameters that the steps of a case name.

internal fun params(step: Step) =
    AssistantParams(
        engine =
            EngineParams(
                model = step.text("model"),
                nCtx = step.number("n_ctx")?.toUInt() ?: 4096u,
                nThreads = 1u,
                memoryBudgetMib = step.number("memory_budget_mib")?.toULong(),
            ),
        memory = step.optional("memory"),
        snapshots = step.optional("snapshots"),
        onDamage = onDamage(step),
        key = step.key(),
        induction = induction(step),
    )

internal fun script(step: Step): ScriptParams {
    val replies =
        step.steps("replies").map {
            ScriptedReply(
                pieces = it.texts("pieces"),
                pieceDelayMs = it.number("delay_ms")?.toUInt() ?: 0u,
                failsWith = it.optional("fails_with")?.let(Errors::make),
                alignmentNats = it.number("nats")?.toDouble() ?: 0.0,
            )
        }
    return ScriptParams(
        replies = replies,
        memory = step.optional("memory"),
        nCtx = step.number("n_ctx")?.toUInt() ?: 4096u,
        usesGpu = step.flag("uses_gpu"),
        onDamage = onDamage(step),
        induction = induction(step),
    )
}

private fun onDamage(step: Step) = if (step.optional("on_damage") == "quarantine") OnDamage.QUARANTINE else OnDamage.FAIL

internal fun sessionParams(step: Step) =
    SessionParams(
        conversation = conversation(step),
        sampling = SamplingParams(temperature = step.number("temperature")?.toFloat() ?: 0f, repetitionPenalty = 1f),
        maxReplyTokens = step.number("max_reply_tokens")?.toUInt() ?: 384u,
        overflow = if (step.optional("overflow") == "error") Overflow.ERROR else Overflow.DROP_OLDEST,
        adapters = if (step.has("adapters")) step.texts("adapters").map { Adapter(it) } else emptyList(),
        measureAlignment = step.flag("measure_alignment"),
        bestOf = step.number("best_of")?.toUInt() ?: 1u,
    )

private fun conversation(step: Step): ConversationChoice =
    when {
        !step.has("conversation") -> ConversationChoice.Latest
        step.number("conversation") != null -> ConversationChoice.Id(step.number("conversation")!!)
        step.text("conversation") == "new" -> ConversationChoice.New
        else -> ConversationChoice.Latest
    }

private fun induction(step: Step): Induction? =
    when (val name = step.optional("induction")) {
        null, "off" -> Induction.Off
        "extractive" -> Induction.Extractive
        "default" -> null
        else -> error("no such induction: $name")
    }

/** The key of so many bytes (32, if nothing is said), each of them the number. */
internal fun Step.key(): StoreKey? {
    val length = number("key_length")?.toInt() ?: 32
    return number("key")?.let { byte -> StoreKey(ByteArray(length) { byte.toByte() }) }
}

internal fun Step.message(): UserMessage = UserMessage(text("text"), if (has("pasted")) texts("pasted") else emptyList())
