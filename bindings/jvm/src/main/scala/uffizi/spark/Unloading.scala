package uffizi.spark

import org.apache.spark.{SparkContext, SparkEnv}

/** Frees engines in all JVMs of an application. */
private[spark] object Unloading {
  private val Rounds = 5
  private val TaskMilliseconds = 200

  def apply(sc: SparkContext): Int = {
    val here = SharedEngines.unload()
    if (sc.isLocal) here else here + onExecutors(sc)
  }

  /** Spark decides where tasks run. So there are several per core, each takes some time, and
    * executors that got none get another chance.
    */
  private def onExecutors(sc: SparkContext): Int = {
    // The driver is included.
    def executors = sc.getExecutorMemoryStatus.size - 1
    val reached = scala.collection.mutable.Set.empty[String]
    var freed = 0
    var round = 0
    while (round < Rounds && reached.size < executors) {
      val tasks = math.max(2 * sc.defaultParallelism, 2 * executors)
      val results = sc.parallelize(1 to tasks, tasks).mapPartitions { _ =>
        val count = SharedEngines.unload()
        Thread.sleep(TaskMilliseconds)
        Iterator((SparkEnv.get.executorId, count))
      }.collect()
      reached ++= results.map(_._1)
      freed += results.map(_._2).sum
      round += 1
    }
    freed
  }
}
