/** Metrics in the Prometheus text format. Names no account: the page is public on the listener. */
import { type OperationName, type WorkspaceStatus, workspaceStatuses } from '@alcove/contract'
import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client'

/** Counts one answered request. */
export type ObserveRequest = (operation: OperationName | 'none', status: number, durationMs: number) => void

/** Counts one boot that ended, well or not. */
export type ObserveBoot = (outcome: 'running' | 'failed', durationMs: number) => void

/** Registers the metrics of requests. */
export function createRequestMetrics(registry: Registry): ObserveRequest {
  const registers = [registry]
  const requests = new Counter({ name: 'alcove_http_requests_total', help: 'Requests answered.', labelNames: ['operation', 'status'], registers })
  const durations = new Histogram({
    name: 'alcove_http_request_duration_seconds',
    help: 'Time from the request line to the end of the answer.',
    labelNames: ['operation'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers,
  })
  // Looking a label up costs more than counting; there are few of them.
  const counters = new Map<string, ReturnType<typeof requests.labels>>()
  const histograms = new Map<string, ReturnType<typeof durations.labels>>()
  return (operation, status, durationMs) => {
    const key = `${operation} ${status}`
    let counter = counters.get(key)
    if (!counter) {
      counter = requests.labels(operation, String(status))
      counters.set(key, counter)
    }
    let histogram = histograms.get(operation)
    if (!histogram) {
      histogram = durations.labels(operation)
      histograms.set(operation, histogram)
    }
    counter.inc()
    histogram.observe(durationMs / 1000)
  }
}

/** Registers the metrics of boots. */
export function createBootMetrics(registry: Registry): ObserveBoot {
  const boots = new Histogram({
    name: 'alcove_boot_duration_seconds',
    help: 'Duration of boots, by how they ended.',
    labelNames: ['outcome'],
    buckets: [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 120],
    registers: [registry],
  })
  return (outcome, durationMs) => boots.observe({ outcome }, durationMs / 1000)
}

/** Registers the number of workspaces by status, asked for at each scrape. */
export function registerWorkspaceMetrics(registry: Registry, countByStatus: () => Promise<Readonly<Partial<Record<WorkspaceStatus, number>>>>): void {
  new Gauge({
    name: 'alcove_workspaces',
    help: 'Workspaces by status.',
    labelNames: ['status'],
    registers: [registry],
    async collect() {
      const counts = await countByStatus()
      for (const status of workspaceStatuses) this.set({ status }, counts[status] ?? 0)
    },
  })
}

/** Registers memory, CPU, event loop and garbage collection of this process. */
export function registerProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
}
