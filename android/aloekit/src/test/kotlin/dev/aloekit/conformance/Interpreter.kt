package dev.aloekit.conformance

import dev.aloekit.Adapter
import dev.aloekit.AloeException
import dev.aloekit.Assistant
import dev.aloekit.EngineParams
import dev.aloekit.ReplyEvent
import dev.aloekit.ScriptParams
import dev.aloekit.ScriptedReply
import dev.aloekit.Session
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
    private val folder: File,
    model: String,
) {
    private val kept = mutableMapOf("DIR" to folder.path, "MODEL" to model)
    private var assistant: Assistant? = null
    private var session: Session? = null
    private var lastTurn = 0L
    private var noted = emptyMap<String, List<Byte>>()

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
            "open_scripted" -> assistant = ScriptedAssistant.open(script(step), step.key())
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
            "write_bytes" -> File(step.text("path")).writeBytes(step.bytes("hex"))
            "close_session" -> talk.closeAndWait()
            "close" -> opened.closeAndWait()
            "repeat" -> repeat(step.number("times")!!.toInt()) { step.steps("steps").forEach { expect(it) } }
            "parallel" -> parallel(step)
            "settle" -> opened.settle()
            "rekey" -> opened.rekey(checkNotNull(step.key()))
            "encrypt" -> Assistant.encryptMemory(File(step.text("path")), checkNotNull(step.key()))
            "note_files" -> noted = files()
            "same_files" -> assertEquals(noted, files(), "bytes were changed: $step")
            "hidden_in_files" -> assertEquals(emptyList(), shown(step.text("text")), "$step")
            else -> rights(step)
        }
    }

    /** Every file of the case, with its bytes. */
    private fun files(): Map<String, List<Byte>> = folder.walk().filter(File::isFile).associate { it.path to it.readBytes().toList() }

    /** The files that hold these words, in any case. */
    private fun shown(words: String): List<String> =
        folder
            .walk()
            .filter { it.isFile && it.readText(Charsets.ISO_8859_1).contains(words, ignoreCase = true) }
            .map { it.name }
            .toList()

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
            else -> Feedback(opened, session, lastTurn).perform(step)
        }
    }

    private suspend fun facts(step: Step) {
        val facts = opened.persona.facts()
        facts.firstOrNull()?.let { keep(step, it.id) }
        check(step, facts.map { it.text })
    }

    private suspend fun send(step: Step) {
        val turn = wholeTurn(talk.send(step.message()).toList(), step)
        lastTurn = turn.turn
        step.optional("recalls")?.let { words -> assertTrue(turn.facts.any { words in it.text }, "recalled: ${turn.facts}") }
        step.optional("stands")?.let { words -> assertTrue(turn.persona.any { words in it.text }, "instructions: ${turn.persona}") }
        step.optional("stands_not")?.let { words -> assertTrue(turn.persona.none { words in it.text }, "instructions: ${turn.persona}") }
        if (step.flag("cached")) assertTrue(turn.stats.cachedTokens > 0u, "${turn.stats}")
        checkMeasured(turn, step)
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
