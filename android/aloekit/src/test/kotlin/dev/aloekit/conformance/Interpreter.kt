package dev.aloekit.conformance

import dev.aloekit.Adapter
import dev.aloekit.AloeException
import dev.aloekit.Assistant
import dev.aloekit.AssistantParams
import dev.aloekit.ConversationChoice
import dev.aloekit.EngineParams
import dev.aloekit.OnDamage
import dev.aloekit.Overflow
import dev.aloekit.ReplyEvent
import dev.aloekit.SamplingParams
import dev.aloekit.ScriptParams
import dev.aloekit.ScriptedReply
import dev.aloekit.Session
import dev.aloekit.SessionParams
import dev.aloekit.StopReason
import dev.aloekit.Turn
import dev.aloekit.testing.ScriptedAssistant
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.test.fail

/** Carries out the steps of one case. */
internal class Interpreter(
    folder: File,
    model: String,
) {
    private val kept = mutableMapOf("DIR" to folder.path, "MODEL" to model)
    private var assistant: Assistant? = null
    private var session: Session? = null
    private var lastTurn = 0L

    private val opened get() = checkNotNull(assistant) { "no assistant was opened" }
    private val talk get() = checkNotNull(session) { "no session was opened" }

    suspend fun run(steps: List<Map<String, Any?>>) = steps.forEach { expect(Step(it, kept)) }

    private suspend fun expect(step: Step) {
        val wanted = step.error ?: return perform(step)
        try {
            perform(step)
        } catch (error: AloeException) {
            assertEquals(wanted, Errors.nameOf(error), "$step")
            step.expectations().forEach { (name, value) -> assertEquals((value as Double).toLong(), Errors.field(error, name), name) }
            return
        }
        fail("$wanted was expected: $step")
    }

    private suspend fun perform(step: Step) {
        when (step.action) {
            "open" -> assistant = Assistant.open(params(step))
            "open_scripted" -> assistant = ScriptedAssistant.open(script(step))
            "session" -> session = opened.session(sessionParams(step))
            "send" -> send(step)
            "send_to" -> lastTurn = Listening.send(talk, step).turn
            "cancel" -> cancel(step)
            "busy" -> busy(step)
            "kinds" -> kinds(step)
            "background" -> opened.enterBackground()
            "foreground" -> opened.enterForeground()
            "background_during" -> backgroundDuring(step)
            "adapters" -> talk.setAdapters(step.texts("paths").map { Adapter(it) })
            "estimate" -> estimate(step)
            "write" -> File(step.text("path")).writeText(step.text("text"))
            "close_session" -> talk.closeAndWait()
            "close" -> opened.closeAndWait()
            "repeat" -> repeat(step.number("times")!!.toInt()) { step.steps("steps").forEach { expect(it) } }
            "parallel" -> parallel(step)
            else -> rights(step)
        }
    }

    /** The user's rights over what is known of them. */
    private suspend fun rights(step: Step) {
        val persona = opened.persona
        when (step.action) {
            "learn" -> persona.learn()
            "facts" -> facts(step)
            "memories" -> check(step, persona.memories().map { it.text })
            "why" -> check(step, persona.why(lastTurn).map { it.text })
            "remember" -> check(step, persona.search(step.text("text")).map { it.text })
            "edit" -> assertEquals(step.text("text"), persona.edit(step.number("id")!!, step.text("text")).text)
            "pin" -> persona.setPinned(step.number("id")!!, step.flag("pinned"))
            "forget" -> assertTrue(persona.forget(step.number("id")!!).wiped, "$step")
            "forget_topic" -> persona.forgetAll(persona.findTopic(step.text("text")).map { it.id })
            "export" -> persona.exportTo(File(step.text("path")))
            "import" -> persona.importFrom(File(step.text("path")))
            "erase" -> persona.eraseAll()
            else -> fail("no such step: $step")
        }
    }

    private suspend fun facts(step: Step) {
        val facts = opened.persona.facts()
        facts.firstOrNull()?.let { keep(step, it.id) }
        check(step, facts.map { it.text })
    }

    private suspend fun send(step: Step) {
        val turn = wholeTurn(talk.send(step.text("text")).toList(), step)
        lastTurn = turn.turn
        step.optional("recalls")?.let { words -> assertTrue(turn.facts.any { words in it.text }, "recalled: ${turn.facts}") }
        if (step.flag("cached")) assertTrue(turn.stats.cachedTokens > 0u, "${turn.stats}")
    }

    private suspend fun cancel(step: Step) {
        val pieces = step.number("after_pieces")!!.toInt()
        var read = 0
        coroutineScope {
            launch {
                talk.send(step.text("text")).collect { event ->
                    if (event is ReplyEvent.Piece && ++read == pieces) cancel()
                }
            }
        }
        assertTrue(read <= pieces, "$read pieces came after the cancel")
    }

    private suspend fun busy(step: Step) =
        coroutineScope {
            val begun = CompletableDeferred<Unit>()
            val reply = launch { talk.send(step.text("text")).collect { begun.complete(Unit) } }
            begun.await()
            try {
                talk.send("more").collect { }
                fail("a second reply began: $step")
            } catch (_: AloeException.Busy) {
            }
            reply.cancel()
            reply.join()
        }

    private suspend fun backgroundDuring(step: Step) =
        coroutineScope {
            val begun = CompletableDeferred<Unit>()
            val outcome = CompletableDeferred<Throwable?>()
            launch {
                val ended = runCatching { talk.send(step.text("text")).collect { begun.complete(Unit) } }
                outcome.complete(ended.exceptionOrNull())
            }
            begun.await()
            opened.enterBackground()
            assertTrue(outcome.await() is AloeException.Backgrounded, "${outcome.await()}")
        }

    private suspend fun kinds(step: Step) {
        val names = step.texts("fails_with")
        val replies =
            names.flatMap {
                listOf(ScriptedReply(listOf("so far"), failsWith = Errors.make(it)), ScriptedReply(listOf("fine")))
            }
        ScriptedAssistant.open(ScriptParams(replies)).use { assistant ->
            val session = assistant.session()
            for (name in names) {
                val error = runCatching { session.send("go").collect { } }.exceptionOrNull()
                assertEquals(name, (error as? AloeException)?.let(Errors::nameOf), "$error")
                assertEquals("fine", (session.send("again").toList().last() as ReplyEvent.Done).turn.reply, name)
            }
        }
    }

    private suspend fun parallel(step: Step) =
        coroutineScope {
            repeat(step.number("times")!!.toInt()) { launch(Dispatchers.Default) { step.steps("steps").forEach { expect(it) } } }
        }

    private suspend fun estimate(step: Step) {
        val estimate = Assistant.estimateMemory(EngineParams(step.text("model"), nCtx = step.number("n_ctx")?.toUInt() ?: 4096u))
        assertTrue(estimate.requiredMib > 0u && estimate.availableMib > 0u, "$estimate")
    }

    private fun keep(
        step: Step,
        id: Long,
    ) {
        step.optional("keep")?.let { kept[it] = id.toString() }
    }
}

/** The pieces must be the reply, and the end come once and last. */
internal fun wholeTurn(
    events: List<ReplyEvent>,
    step: Step,
): Turn {
    val turn = (events.last() as ReplyEvent.Done).turn
    val pieces = events.dropLast(1).joinToString("") { (it as ReplyEvent.Piece).text }
    assertEquals(turn.reply, pieces, "$step")
    assertTrue('\uFFFD' !in pieces, "a character was broken: $step")
    step.optional("reply")?.let { assertEquals(it, turn.reply) }
    step.optional("stop")?.let { assertEquals(it.uppercase(), turn.stop.name.replace("_", "")) }
    return turn
}

/** What a list must hold. */
internal fun check(
    step: Step,
    texts: List<String>,
) {
    step.number("count")?.let { assertEquals(it.toInt(), texts.size, "$step: $texts") }
    step.number("count_at_least")?.let { assertTrue(texts.size >= it, "$step: $texts") }
    step.optional("contains")?.let { words -> assertTrue(texts.any { words in it }, "$step: $texts") }
}

private fun params(step: Step) =
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
    )

private fun script(step: Step): ScriptParams {
    val replies =
        step.steps("replies").map {
            ScriptedReply(it.texts("pieces"), it.number("delay_ms")?.toUInt() ?: 0u, it.optional("fails_with")?.let(Errors::make))
        }
    return ScriptParams(
        replies = replies,
        memory = step.optional("memory"),
        nCtx = step.number("n_ctx")?.toUInt() ?: 4096u,
        usesGpu = step.flag("uses_gpu"),
        onDamage = onDamage(step),
    )
}

private fun onDamage(step: Step) = if (step.optional("on_damage") == "quarantine") OnDamage.QUARANTINE else OnDamage.FAIL

private fun sessionParams(step: Step) =
    SessionParams(
        conversation = conversation(step),
        sampling = SamplingParams(temperature = 0f, repetitionPenalty = 1f),
        maxReplyTokens = step.number("max_reply_tokens")?.toUInt() ?: 384u,
        overflow = if (step.optional("overflow") == "error") Overflow.ERROR else Overflow.DROP_OLDEST,
    )

private fun conversation(step: Step): ConversationChoice =
    when {
        !step.has("conversation") -> ConversationChoice.Latest
        step.number("conversation") != null -> ConversationChoice.Id(step.number("conversation")!!)
        step.text("conversation") == "new" -> ConversationChoice.New
        else -> ConversationChoice.Latest
    }
