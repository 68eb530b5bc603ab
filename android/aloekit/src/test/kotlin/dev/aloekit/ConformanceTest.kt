package dev.aloekit

import dev.aloekit.conformance.Interpreter
import dev.aloekit.conformance.Json
import dev.aloekit.conformance.Step
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory
import java.io.File
import java.nio.file.Files

/** The cases that every language must pass. */
internal class ConformanceTest {
    @TestFactory
    fun cases(): List<DynamicTest> {
        val files = File(System.getProperty("aloekit.conformance")).listFiles { file -> file.extension == "json" }!!.sorted()
        return files.flatMap { file -> (Json.parse(file.readText()) as List<*>).map { one(Step.objects(it)) } }
    }

    private fun one(case: Map<String, Any?>): DynamicTest =
        dynamicTest(case["name"] as String) {
            val folder = Files.createTempDirectory("aloekit").toFile()
            try {
                val steps = (case["steps"] as List<*>).map(Step::objects)
                runBlocking { Interpreter(folder, System.getenv("ALOE_TEST_MODEL")).run(steps) }
            } finally {
                folder.deleteRecursively()
            }
        }
}
