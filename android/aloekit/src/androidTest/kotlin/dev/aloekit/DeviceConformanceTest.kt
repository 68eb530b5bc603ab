package dev.aloekit

import androidx.test.platform.app.InstrumentationRegistry
import dev.aloekit.conformance.Interpreter
import dev.aloekit.conformance.Json
import dev.aloekit.conformance.Step
import kotlinx.coroutines.runBlocking
import org.junit.Test
import org.junit.runner.RunWith
import org.junit.runners.Parameterized
import java.io.File

/**
 * The cases that every language must pass, on a device. Cases that need a model run where one was pushed to the app's
 * folder as `model.gguf`; without it they fail, and are never left out.
 */
@RunWith(Parameterized::class)
internal class DeviceConformanceTest(
    @Suppress("unused") private val name: String,
    private val steps: List<Map<String, Any?>>,
) {
    @Test
    fun passes(): Unit =
        runBlocking {
            val context = InstrumentationRegistry.getInstrumentation().targetContext
            val folder = File(context.cacheDir, "conformance-${System.nanoTime()}").apply { mkdirs() }
            val model = File(context.getExternalFilesDir(null), "model.gguf")
            try {
                Interpreter(folder, model.path).run(steps)
            } finally {
                folder.deleteRecursively()
            }
        }

    companion object {
        @JvmStatic
        @Parameterized.Parameters(name = "{0}")
        fun cases(): List<Array<Any?>> {
            val assets = InstrumentationRegistry.getInstrumentation().context.assets
            val files = assets.list("")!!.filter { it.endsWith(".json") }
            return files.flatMap { file ->
                val cases = Json.parse(assets.open(file).bufferedReader().readText()) as List<*>
                cases.map(Step::objects).map { arrayOf(it["name"], (it["steps"] as List<*>).map(Step::objects)) }
            }
        }
    }
}
