"""What this project needs of the machine: processes, files, ports, tasks. Knows nothing of Kafka or WhatsApp."""
