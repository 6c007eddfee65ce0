"""What bench/compare is made of: processes, proxies, workloads, the report."""
