package dev.aloekit

import dev.aloekit.testing.ScriptedAssistant
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import java.nio.file.Files
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertTrue

internal class AssistantTest {
    private fun slow(pieces: Int = 300) = ScriptParams(listOf(ScriptedReply(List(pieces) { "word " }, pieceDelayMs = 5u)))

    @Test
    fun `its state says what it is doing`(): Unit =
        runBlocking {
            val assistant = ScriptedAssistant.open(slow())
            assertEquals(EngineState.Ready, assistant.state.value)
            val begun = CompletableDeferred<Unit>()
            val reply = launch { assistant.session().send("talk").collect { begun.complete(Unit) } }
            begun.await()
            assertEquals(EngineState.Answering(1), assistant.state.value)
            reply.cancelAndJoin()
            assertEquals(EngineState.Ready, assistant.state.value)
            assistant.enterBackground()
            assertEquals(EngineState.Backgrounded, assistant.state.value)
            assistant.enterForeground()
            assistant.close()
            assertEquals(EngineState.Closed, assistant.state.value)
        }

    @Test
    fun `a flow is cold, and nothing is sent until it is collected`(): Unit =
        runBlocking {
            ScriptedAssistant.replying("Hello.").use { assistant ->
                val flow = assistant.session().send("I play the cello.")
                assertTrue(assistant.persona.memories().isEmpty())
                flow.toList()
                val said = assistant.persona.memories().filter { it.kind == MemoryKind.EPISODE }
                assertEquals(listOf("I play the cello."), said.map { it.text })
            }
        }

    @Test
    fun `a collector that takes one event ends the reply and the session is free`(): Unit =
        runBlocking {
            ScriptedAssistant.open(slow()).use { assistant ->
                val session = assistant.session()
                repeat(20) { assertIs<ReplyEvent.Piece>(session.send("talk").first()) }
                assertEquals(
                    2,
                    session
                        .send("talk")
                        .take(2)
                        .toList()
                        .size,
                )
            }
        }

    @Test
    fun `a cancelled reply is stored as far as it got`(): Unit =
        runBlocking {
            ScriptedAssistant.open(slow()).use { assistant ->
                val session = assistant.session()
                session.send("talk").take(3).collect { }
                val turn = assistant.persona.transcript(session.conversation).single()
                assertEquals(ReplyState.CANCELLED, turn.replyState)
                assertTrue(turn.reply!!.startsWith("word "))
            }
        }

    @Test
    fun `closing during a reply ends it`(): Unit =
        runBlocking {
            val assistant = ScriptedAssistant.open(slow())
            val session = assistant.session()
            val begun = CompletableDeferred<Unit>()
            val outcome = async { runCatching { session.send("talk").collect { begun.complete(Unit) } } }
            begun.await()
            assistant.closeAndWait()
            assertIs<AloeException.Closed>(outcome.await().exceptionOrNull())
        }

    @Test
    fun `a listened reply is given up a hundred times and the session takes the next message at once`(): Unit =
        runBlocking {
            ScriptedAssistant.open(slow(40)).use { assistant ->
                val session = assistant.session()
                repeat(100) {
                    val begun = CompletableDeferred<Unit>()
                    val talking = launch(Dispatchers.Default) { session.sendTo("talk") { begun.complete(Unit) } }
                    begun.await()
                    talking.cancelAndJoin()
                }
                assertEquals(101L, session.sendTo("talk") {}.turn)
            }
        }

    @Test
    fun `the best of several comes as one piece after the choice`(): Unit =
        runBlocking {
            val adapter = Files.createTempFile("adapter", ".gguf").toFile()
            val dull = ScriptedReply(listOf("No."), alignmentNats = -1.0)
            val liked = ScriptedReply(listOf("Play ", "it."), alignmentNats = 4.0)
            ScriptedAssistant.open(ScriptParams(listOf(dull, liked))).use { assistant ->
                val session = assistant.session(SessionParams(adapters = listOf(Adapter(adapter.path)), bestOf = 2u))
                val events = session.send("What now?").toList()
                assertEquals(ReplyEvent.Piece("Play it."), events.first())
                val turn = (events.last() as ReplyEvent.Done).turn
                assertEquals(listOf(-1.0, 4.0), turn.candidates.map { it.nats })
                assertEquals(turn.candidates[1], turn.alignment)
            }
            adapter.delete()
        }

    @Test
    fun `opening that is given up ends at once`(): Unit =
        runBlocking {
            val model = System.getenv("ALOE_TEST_MODEL")
            val opening = launch { Assistant.open(AssistantParams(EngineParams(model, nThreads = 1u))).close() }
            delay(5)
            val started = System.nanoTime()
            opening.cancelAndJoin()
            assertTrue(System.nanoTime() - started < 2_000_000_000)
        }

    @Test
    fun `no call holds its thread`(): Unit =
        runBlocking {
            ScriptedAssistant.open(slow(40)).use { assistant ->
                var longest = 0L
                val ticking =
                    launch {
                        while (true) {
                            val at = System.nanoTime()
                            delay(1)
                            longest = maxOf(longest, System.nanoTime() - at)
                        }
                    }
                assistant.session().send("I live in Ghent.").collect { }
                assistant.persona.learn()
                assistant.persona.eraseAll()
                ticking.cancelAndJoin()
                assertTrue(longest < 100_000_000, "the thread was held for ${longest / 1_000_000} ms")
            }
        }

    @Test
    fun `an error carries its fields`(): Unit =
        runBlocking {
            val model = System.getenv("ALOE_TEST_MODEL")
            val params = AssistantParams(EngineParams(model, memoryBudgetMib = 10u))
            val error = assertFailsWith<AloeException.NotEnoughMemory> { Assistant.open(params) }
            assertEquals(10uL, error.availableMib)
            assertTrue(error.requiredMib > 10u)
        }
}
