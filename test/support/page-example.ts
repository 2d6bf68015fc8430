/** The request that the workspaces page begins with. */

/** As it stands there. */
export const pageExample = {
  name: 'my-app',
  image: 'node-20',
  namespace: 'production',
  mode: 'permanent',
  config: {
    cpus: 2,
    memory_mb: 2048,
    writable_size_mb: 1024,
    ttl: '1h',
    ttl_action: 'stop',
    remove_on_exit: false,
    restart_policy: 'always',
    max_restarts: 5,
    keep_logs: true,
    static_network: true,
    network_config: { allow_internet: true, public_ingress: false },
    ssh_access: true,
    env: [
      { key: 'NODE_ENV', value: 'production' },
      { key: 'PORT', value: '3000' },
    ],
    cmd: ['node', 'server.js'],
    workloads: [],
    wait_for_init: true,
    proxy_assignment_id: 42,
  },
} as const
