package dev.aloekit

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull
import kotlin.test.assertTrue

internal class LoadGuardTest {
    @TempDir
    lateinit var folder: File

    private val guard by lazy { LoadGuard(File(folder, "deep/loading")) }

    @Test
    fun `a model that the process did not survive is not loaded again without asking`(): Unit =
        runBlocking {
            File(folder, "deep").mkdirs()
            File(folder, "deep/loading").writeText("large.gguf")
            val refused = assertFailsWith<UnfinishedLoadException> { guard.around("large.gguf") { error("loaded") } }
            assertEquals("large.gguf", refused.model)
            assertEquals("small", guard.around("small.gguf") { "small" })
            File(folder, "deep/loading").writeText("large.gguf")
            guard.forgive()
            assertEquals("large", guard.around("large.gguf") { "large" })
        }

    @Test
    fun `the marker stands while a model is loaded and not after it, well or not`(): Unit =
        runBlocking {
            guard.around("a.gguf") {
                assertEquals("a.gguf", File(folder, "deep/loading").readText())
                assertNull(guard.unfinished(), "this process lives")
            }
            assertNull(guard.unfinished())
            assertFailsWith<IllegalStateException> { guard.around("a.gguf") { error("refused") } }
            assertNull(guard.unfinished())
        }

    @Test
    fun `the marker of a load that was cancelled stays until loading is over`(): Unit =
        runBlocking {
            val (marker, over) = Pair(File(folder, "deep/loading"), CompletableDeferred<Unit>())
            val opening = launch { guard.around("a.gguf", over::await) { awaitCancellation() } }
            while (!marker.exists()) delay(1)
            opening.cancelAndJoin()
            assertEquals("a.gguf", marker.readText(), "the process may still not survive it")
            assertEquals("b", guard.around("b.gguf") { "b" })
            assertTrue(marker.exists(), "the other load goes on")
            over.complete(Unit)
            while (marker.exists()) delay(1)
        }

    @Test
    fun `opening that was given up leaves no marker once the model is loaded`(): Unit =
        runBlocking {
            val params = AssistantParams(EngineParams(System.getenv("ALOE_TEST_MODEL"), nThreads = 1u))
            val opening = launch { Assistant.open(params, guard).close() }
            delay(5)
            opening.cancelAndJoin()
            withTimeout(20_000) { while (File(folder, "deep/loading").exists()) delay(5) }
            Assistant.open(params, guard).closeAndWait()
        }

    @Test
    fun `a refused model leaves no marker`(): Unit =
        runBlocking {
            val params = AssistantParams(EngineParams(File(folder, "none.gguf").path))
            repeat(2) { assertFailsWith<AloeException.ModelMissing> { Assistant.open(params, guard) } }
        }
}
