package dev.aloekit

import dev.aloekit.sample.ChatModel
import dev.aloekit.testing.ScriptedAssistant
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import java.nio.file.Files
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue

/** The sample's chat, all but its widgets. */
internal class ChatModelTest {
    private fun chat(use: suspend (ChatModel) -> Unit): Unit =
        runBlocking {
            ScriptedAssistant.replying("How nice.").use { assistant ->
                use(ChatModel(assistant, assistant.session(), CoroutineScope(coroutineContext)))
            }
        }

    @Test
    fun `the sample shows the reply and what it learnt, and forgets it`() =
        chat { chat ->
            chat.send("I live in Ghent.")
            val known = chat.screen.first { it.facts.isNotEmpty() }
            assertEquals(listOf("I live in Ghent.", "How nice."), known.bubbles.map { it.text })
            chat.edit(known.facts.single().id, "Lives in Bruges.").join()
            chat.pin(known.facts.single().id, true).join()
            val fact =
                chat.screen.value.facts
                    .single()
            assertTrue(fact.pinned && fact.text == "Lives in Bruges.")
            chat.forget(fact.id).join()
            assertTrue(
                chat.screen.value.facts
                    .isEmpty(),
            )
        }

    @Test
    fun `the sample explains an answer`() =
        chat { chat ->
            chat.send("I play the cello in a quartet.")
            chat.screen.first { !it.answering && it.bubbles.size == 2 }
            chat.send("Where can I play my cello?")
            val bubbles = chat.screen.first { !it.answering && it.bubbles.size == 4 }.bubbles
            assertTrue(bubbles.last().because.any { "cello" in it.words })
        }

    @Test
    fun `the sample keeps thumbs and edits, takes them back, and exports them`() =
        chat { chat ->
            chat.send("I live in Ghent.")
            val turn =
                checkNotNull(
                    chat.screen
                        .first { !it.answering && it.bubbles.size == 2 }
                        .bubbles
                        .last()
                        .turn,
                )
            val rating = {
                chat.screen.value.bubbles
                    .last()
                    .rating
            }
            chat.rate(turn, Rating.Up).join()
            assertEquals(Rating.Up, rating())
            chat.rate(turn, Rating.Edited("Is it raining there?")).join()
            assertEquals(Rating.Edited("Is it raining there?"), rating())
            val file = Files.createTempFile("rated", ".jsonl").toFile()
            chat.exportRatingsTo(file).join()
            assertTrue("Is it raining there?" in file.readText())
            chat.rate(turn, null).join()
            assertNull(rating())
            chat.exportRatingsTo(file).join()
            assertEquals("", file.readText())
            file.delete()
        }
}
