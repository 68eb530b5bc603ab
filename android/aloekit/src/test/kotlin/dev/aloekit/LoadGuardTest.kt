package dev.aloekit

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull

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
            guard.around("a.gguf") { assertEquals("a.gguf", guard.unfinished()) }
            assertNull(guard.unfinished())
            assertFailsWith<IllegalStateException> { guard.around("a.gguf") { error("refused") } }
            assertNull(guard.unfinished())
        }

    @Test
    fun `a refused model leaves no marker`(): Unit =
        runBlocking {
            val params = AssistantParams(EngineParams(File(folder, "none.gguf").path))
            repeat(2) { assertFailsWith<AloeException.ModelMissing> { Assistant.open(params, guard) } }
        }
}
